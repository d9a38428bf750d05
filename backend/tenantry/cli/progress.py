"""Lines as work gets done, with a bar below them on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Lines:
    """Lines to standard output and standard error, and nothing else."""

    def say(self, line: str) -> None:
        """What was done."""
        click.echo(line)

    def complain(self, line: str) -> None:
        """What was not, and why."""
        click.echo(line, err=True)

    def advance(self) -> None:
        """One more is done, or is not going to be."""


class _Bar(Lines):
    """The same, above a bar."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def say(self, line: str) -> None:
        self._print(line)

    def complain(self, line: str) -> None:
        if sys.stderr.isatty():
            self._print(line, "red")
        else:
            super().complain(line)

    def advance(self) -> None:
        self._progress.advance(self._task)

    def _print(self, line: str, style: str | None = None) -> None:
        self._progress.console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress(total: int) -> Iterator[Lines]:
    """Where to tell of ``total`` pieces of work."""
    if not sys.stdout.isatty():
        yield Lines()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn  # noqa: PLC0415 - slow to load

    with Progress(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), transient=True) as bar:
        yield _Bar(bar, bar.add_task("", total=total))
