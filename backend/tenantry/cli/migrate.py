"""``tenantry migrate``."""

from __future__ import annotations

import click

from tenantry.cli.local import local
from tenantry.settings import Settings
from tenantry.storage import schema
from tenantry.wiring import open_services


@click.command()
@local
async def migrate(settings: Settings) -> None:
    """Bring the database's schema up to date.

    A SQLite file migrates itself; for MySQL and MariaDB run it once before new servers start. Two at a time are no
    harm: one waits for the other.

    \b
    Example:
      TENANTRY_DATABASE_URL=mysql://tenantry@db:3306/tenantry tenantry migrate
    """
    async with open_services(settings) as services:
        for name in await schema.migrate(services.db):
            click.echo(f"applied {name}")
        click.echo(f"the schema is at {(await schema.state(services.db)).current}")
