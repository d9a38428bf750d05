"""``tenantry serve``."""

from __future__ import annotations

import click

from tenantry.cli.exits import fail
from tenantry.cli.local import local
from tenantry.exitcodes import Exit
from tenantry.settings import PortError, Settings
from tenantry.web import server


@click.command()
@local
async def serve(settings: Settings) -> None:
    """Run the server; all settings are environment variables.

    Without any it listens on loopback, keeps its data under .tenantry/ and writes a kubeconfig there. SIGTERM or
    Ctrl-C ends it after the requests that it is answering.

    \b
    Examples:
      tenantry serve
      TENANTRY_PORT=8081 TENANTRY_TLS_PORT=8444 TENANTRY_OPS_PORT=9091 TENANTRY_DATA_DIR=second tenantry serve
      TENANTRY_DATABASE_URL=mysql://tenantry@db:3306/tenantry tenantry serve
    """
    try:
        await server.serve(settings)
    except PortError as error:
        fail(error, Exit.UNAVAILABLE)
