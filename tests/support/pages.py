"""The commands that pages tell a reader to run, for tests that run them as they stand."""

import re
import sys
from pathlib import Path
from textwrap import dedent

from tests.worktree import ROOT, named, tracked

#: commands, which are indented, and what is shown of their output, between fences
_BLOCK = re.compile(r"^(?: {4}[^\n]*\n|\n(?= {4}))+|^```\n(?P<shown>.*?)^```$", re.MULTILINE | re.DOTALL)


def section(page: str, heading: str) -> str:
    """What stands below a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no heading {heading!r}"
    return found[1]


def commands(page: str, heading: str) -> list[str]:
    """The blocks of commands below a heading, each as a reader pastes it."""
    blocks = _BLOCK.finditer(section(page, heading))
    found = [dedent(block[0]).strip("\n") for block in blocks if block["shown"] is None]
    assert found, f"{page} has no commands below {heading!r}"
    return found


def shown(page: str, heading: str) -> list[str]:
    """What the page shows of their output."""
    return [block["shown"] for block in _BLOCK.finditer(section(page, heading)) if block["shown"] is not None]


def checkout(folder: Path) -> Path:
    """A folder in which a reader may be who has called `make setup`; what the commands write stays in it."""
    for path in {ROOT / named(path).partition("/")[0] for path in tracked()}:
        (folder / path.name).symlink_to(path)
    environment = folder / ".venv"
    environment.mkdir()
    (environment / "bin").symlink_to(Path(sys.prefix, "bin"))
    for stamp in ("runtime.stamp", "dev.stamp"):
        (environment / stamp).touch()  # make need not look at what is installed
    return folder


def script(*blocks: str) -> list[str]:
    """The command by which a shell does what was pasted, and ends at what fails."""
    return ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)]
