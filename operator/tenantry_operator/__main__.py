"""The command line of the operator."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tenantry import __version__, eventloop, exitcodes, generated, logs
from tenantry.exitcodes import Exit
from tenantry.settings import PortError, WrongSettingError
from tenantry_operator.access import NoAccessError
from tenantry_operator.errors import ForbiddenError, KubeError, UnavailableError
from tenantry_operator.lifecycle import run as run_operator
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


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Tenantry's operator: makes Plans, Tenants and Configs of a Kubernetes cluster real."""


main.help = f"{main.help}\n\n{exitcodes.table()}"


@main.command()
def run() -> None:
    """Run the operator; all settings are environment variables."""
    try:
        settings = read_settings()
        logs.configure(settings.log_level)
        with eventloop.runner() as runner:
            runner.run(run_operator(settings))
    except tuple(_EXITS) as error:
        click.echo(f"tenantry-operator: {error}", err=True)
        sys.exit(next(code for kind, code in _EXITS.items() if isinstance(error, kind)))


@main.command()
@click.option("--check", is_flag=True, help="Write nothing; name what is not as it would be written, and exit with 1.")
def generate(*, check: bool) -> None:
    """Write the operator's rights, and its page of the reference, into the repository."""
    from tenantry_operator import reference  # noqa: PLC0415 - only who writes pages loads what is on them

    sys.exit(generated.settle(reference.files(), Path(), check=check))


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(__version__)


if __name__ == "__main__":
    main()
