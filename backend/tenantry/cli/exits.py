"""What the process ends with, and the one line that it says then."""

from __future__ import annotations

import sys
from enum import IntEnum
from typing import NoReturn

import click

from tenantry.model.errors import Code, TenantryError


class Exit(IntEnum):
    """Exit codes; 2 is click's own for a wrong command line. Those from 64 on are of sysexits.h."""

    FAILED = 1
    UNAVAILABLE = 69  # a port is taken, the database or the server is away
    CANNOT_CREATE = 73  # the data directory cannot be written to
    DENIED = 77  # no valid credential, or not the permission
    WRONG_SETTING = 78


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


def fail(why: object, code: Exit) -> NoReturn:
    """Say why in one line, and end."""
    click.echo(f"tenantry: {why}", err=True)
    sys.exit(code)
