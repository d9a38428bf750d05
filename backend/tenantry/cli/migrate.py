"""``tenantry migrate``."""

from __future__ import annotations

import logging
import time

import click

from tenantry.cli.local import local
from tenantry.model.errors import TenantryError
from tenantry.services.setbacks import Setbacks
from tenantry.settings import Settings
from tenantry.storage import schema
from tenantry.storage.db import Database
from tenantry.wiring import open_services

logger = logging.getLogger(__name__)


@click.command()
@click.option(
    "--wait",
    type=click.IntRange(0),
    metavar="SECONDS",
    default=0,
    show_default=True,
    help="How long to wait for a database that does not answer or does not let us in.",
)
@local
async def migrate(settings: Settings, wait: int) -> None:
    """Bring the database's schema up to date.

    A SQLite file migrates itself; for MySQL and MariaDB run it once before new servers start. Two at a time are no
    harm: one waits for the other.

    \b
    Examples:
      TENANTRY_DATABASE_URL=mysql://tenantry@db:3306/tenantry tenantry migrate
      TENANTRY_DATABASE_URL=mysql://tenantry@db:3306/tenantry tenantry migrate --wait 300
    """
    async with open_services(settings) as services:
        await _reach(services.db, wait)
        for name in await schema.migrate(services.db):
            click.echo(f"applied {name}")
        click.echo(f"the schema is at {(await schema.state(services.db)).current}")


async def _reach(db: Database, seconds: int) -> None:
    """Wait until the database lets us work, and say once why it does not.

    Raises:
        TenantryError: ``UNAVAILABLE``, it still does not after ``seconds``.
    """
    deadline = time.monotonic() + seconds
    setbacks = Setbacks(logger, f"waiting up to {seconds} s for the database")
    while True:
        try:
            await schema.state(db)
        except TenantryError as error:
            if time.monotonic() >= deadline:
                raise
            await setbacks.wait(error)
        else:
            return
