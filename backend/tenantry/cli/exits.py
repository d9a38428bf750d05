"""What the process ends with, and the one line that it says then."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from contextlib import suppress
from typing import NoReturn

import click

from tenantry.exitcodes import Exit
from tenantry.model.errors import Code, TenantryError

_EXITS = {
    Code.UNAVAILABLE: Exit.UNAVAILABLE,
    Code.TIMEOUT: Exit.UNAVAILABLE,
    Code.TOO_MANY_REQUESTS: Exit.UNAVAILABLE,
    Code.UNAUTHENTICATED: Exit.DENIED,
    Code.FORBIDDEN: Exit.DENIED,
}


def exit_of(error: TenantryError) -> Exit:
    """The exit code that an error is."""
    return _EXITS.get(error.code, Exit.FAILED)


def exit_of_work(errors: Collection[TenantryError], *, failed: int, total: int) -> int:
    """The exit code of several pieces of work, ``errors`` being those that a server refused.

    When all were refused for the same it is that one's, so that a script can tell a wrong token from a wrong manifest.
    """
    codes = {exit_of(error) for error in errors}
    if len(errors) == total and len(codes) == 1:
        return codes.pop()
    return Exit.FAILED if failed else 0


def line_of(error: TenantryError) -> str:
    """An error as one line, with the wrong fields that its sentence does not name."""
    fields = [f"{field.path}: {field.message}".removeprefix(": ") for field in error.fields]
    return ": ".join(filter(None, [error.message, "; ".join(each for each in fields if each not in error.message)]))


def fail(why: object, code: Exit) -> NoReturn:
    """Say why in one line, and end."""
    click.echo(f"tenantry: {line_of(why) if isinstance(why, TenantryError) else why}", err=True)
    sys.exit(code)


def fail_writing(error: OSError) -> NoReturn:
    """End because standard output cannot be written to."""
    with suppress(OSError):  # what is still in the buffer would fail again when the interpreter ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    fail(f"cannot write to standard output: {error.strerror}", Exit.IO_ERROR)
