"""The operator as a process: its settings, its event loop, and what it ends with when it cannot work."""

from __future__ import annotations

import sys

import click

from tenantry import eventloop, logs
from tenantry.exitcodes import Exit
from tenantry.settings import PortError, WrongSettingError
from tenantry_operator import lifecycle
from tenantry_operator.access import NoAccessError
from tenantry_operator.errors import ForbiddenError, KubeError, UnavailableError
from tenantry_operator.settings import read_settings

#: what ends the process before it works, by the first that it is; whoever runs us starts us again
_EXITS: dict[type[Exception], Exit] = {
    WrongSettingError: Exit.WRONG_SETTING,
    NoAccessError: Exit.WRONG_SETTING,
    PortError: Exit.UNAVAILABLE,
    UnavailableError: Exit.UNAVAILABLE,
    ForbiddenError: Exit.DENIED,
    KubeError: Exit.FAILED,
}


def run() -> None:
    """Be an operator until SIGTERM or SIGINT; what keeps it from that is one line, and an exit code."""
    try:
        settings = read_settings()
        logs.configure(settings.log_level)
        with eventloop.runner() as runner:
            runner.run(lifecycle.run(settings))
    except tuple(_EXITS) as error:
        click.echo(f"tenantry-operator: {error}", err=True)
        sys.exit(next(code for kind, code in _EXITS.items() if isinstance(error, kind)))
