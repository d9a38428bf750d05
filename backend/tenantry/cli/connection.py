"""The options that say which server to talk to, without what is needed to talk to it."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import click


def _trim(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Leave out the space or the line break that somebody has pasted with it."""
    return value and value.strip()


def _certificate(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    try:
        if path is not None:
            ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise click.BadParameter(f"{path} holds no certificate in PEM form") from None
    return path


# the two that a command without a token takes too
server = click.option(
    "--server", envvar="TENANTRY_SERVER", metavar="URL", callback=_trim, help="Where the server is. [TENANTRY_SERVER]"
)
ca_file = click.option(
    "--ca-file",
    envvar="TENANTRY_CA_FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    callback=_certificate,
    help="CA that signed its certificate; the system's by default. [TENANTRY_CA_FILE]",
)


def options(function: Callable[..., None]) -> Callable[..., None]:
    """The options of a command that may talk to a server; it hands them to ``remote.call``."""
    for option in (
        ca_file,
        click.option(
            "--token",
            envvar="TENANTRY_TOKEN",
            callback=_trim,
            help="Its token; the variable keeps it out of the list of processes. [TENANTRY_TOKEN]",
        ),
        server,
    ):
        function = option(function)
    return function
