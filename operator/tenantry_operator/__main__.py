"""The command line of the operator. What takes time to load is loaded by the command that needs it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tenantry import __version__, exitcodes, generated, termination


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Tenantry's operator: makes Plans, Tenants and Configs of a Kubernetes cluster real."""


main.help = f"{main.help}\n\n{exitcodes.table()}"


@main.command()
def run() -> None:
    """Run the operator; all settings are environment variables."""
    from tenantry_operator import process  # noqa: PLC0415 - kopf takes a second, in which SIGTERM counts already

    process.run()


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


def program() -> None:
    """The process ``tenantry-operator``."""
    termination.end_on_sigterm()
    main()


if __name__ == "__main__":
    program()
