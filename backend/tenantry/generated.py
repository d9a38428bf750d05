"""Files that programs write into the repository: written, or compared with what would be written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click


def settle(files: Mapping[str, str], root: Path, *, check: bool) -> int:
    """Write the files that differ, or with ``check`` say which do; the exit code.

    Args:
        files: path below ``root`` to text.
        root: the repository.
        check: write nothing.
    """
    stale = [name for name, text in files.items() if _read(root / name) != text]
    for name in stale:
        if check:
            click.echo(f"{name}: not as it is generated; `make generate` writes it", err=True)
        else:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(files[name], encoding="utf-8")
            click.echo(name)
    return int(check and bool(stale))


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return None
