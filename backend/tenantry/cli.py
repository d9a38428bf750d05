"""The command line: start the server, migrate its database, make the first keys."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from enum import IntEnum
from functools import wraps
from typing import Any, ParamSpec

import click

from tenantry import __version__, logs
from tenantry.datadir import DataDirectoryError
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import SCOPES, ApiKey
from tenantry.services.keys import LIFETIME
from tenantry.services.local_admin import ACTOR
from tenantry.settings import Settings, WrongSettingError, read_settings
from tenantry.storage import schema
from tenantry.web.server import PortError, serve
from tenantry.wiring import open_services

P = ParamSpec("P")


class Exit(IntEnum):
    """What the process ends with; 2 is click's own for a wrong command line. The values are those of sysexits.h."""

    FAILED = 1
    UNAVAILABLE = 69  # a port is taken, the database is away
    CANNOT_CREATE = 73  # the data directory cannot be written to
    WRONG_SETTING = 78


_EXITS: dict[type[Exception], Exit] = {
    WrongSettingError: Exit.WRONG_SETTING,
    DataDirectoryError: Exit.CANNOT_CREATE,
    PortError: Exit.UNAVAILABLE,
}


def command(function: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A click command of an asynchronous function, which gets the settings first; its errors end in one line."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            settings = read_settings()
            logs.configure(settings.log_level)
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(function(settings, *args, **kwargs))
        except (TenantryError, WrongSettingError, DataDirectoryError, PortError) as error:
            click.echo(f"tenantry: {error}", err=True)
            sys.exit(_exit(error))

    return run


def _exit(error: Exception) -> Exit:
    if isinstance(error, TenantryError):
        return Exit.UNAVAILABLE if error.code is Code.UNAVAILABLE else Exit.FAILED
    return next(code for kind, code in _EXITS.items() if isinstance(error, kind))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - an optional extra
    except ImportError:
        return None
    return uvloop.new_event_loop


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Tenantry, the tenant and configuration control plane."""


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(__version__)


@main.command(name="serve")
@command
async def serve_command(settings: Settings) -> None:
    """Run the server; all settings are environment variables.

    Ends with 69 when a port is taken, 73 when the data directory cannot be written to, 78 for a wrong setting.
    """
    await serve(settings)


@main.command()
@command
async def migrate(settings: Settings) -> None:
    """Bring the database's schema up to date."""
    async with open_services(settings) as services:
        for name in await schema.migrate(services.db):
            click.echo(f"applied {name}")
        click.echo(f"the schema is at {(await schema.state(services.db)).current}")


@main.group()
def admin() -> None:
    """What somebody with access to the database may do."""


@admin.group()
def key() -> None:
    """API keys."""


@key.command(name="create")
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(list(SCOPES)), default=["platform:admin"], show_default=True
)
@click.option("--days", default=LIFETIME // 86_400, show_default=True, help="How long it works; 0 for ever.")
@click.option("--from", "cidrs", multiple=True, metavar="CIDR", help="Network that it works from; any by default.")
@command
async def create_key(settings: Settings, name: str, scopes: tuple[str, ...], days: int, cidrs: tuple[str, ...]) -> None:
    """Make an API key and print its token, which is shown this once."""
    async with open_services(settings) as services:
        made = await services.keys.create(ACTOR, name, scopes, lifetime=days * 86_400, allowed_cidrs=cidrs)
        click.echo(made.token)


@key.command(name="list")
@command
async def list_keys(settings: Settings) -> None:
    """Print the platform's API keys."""
    async with open_services(settings) as services:
        now = datetime.now(UTC)
        for found in await services.keys.list(ACTOR):
            click.echo(f"{found.id}  {_state(found, now):20}  {','.join(found.scopes):24}  {found.name}")


@key.command(name="revoke")
@click.argument("identifier", metavar="ID")
@command
async def revoke_key(settings: Settings, identifier: str) -> None:
    """Take an API key back."""
    async with open_services(settings) as services:
        found = await services.keys.revoke(ACTOR, identifier)
        click.echo(f"revoked {found.id} ({found.name})")


def _state(found: ApiKey, now: datetime) -> str:
    if found.revoked_at:
        return "revoked"
    if not found.expires_at:
        return "never expires"
    expires = datetime.fromtimestamp(found.expires_at / 1_000_000, UTC)
    return f"{'expired' if expires <= now else 'expires'} {expires:%Y-%m-%d}"
