"""The files of the repository, for tests that look at the repository itself."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent


@cache
def tracked(*patterns: str) -> list[Path]:
    """Files that git knows and that are there, by pathspecs in which `*` also matches slashes."""
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in listed.stdout.split("\0") if (path := ROOT / name).is_file()]


def named(path: Path) -> str:
    """A path as it is written in the repository."""
    return str(path.relative_to(ROOT))
