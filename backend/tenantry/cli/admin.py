"""``tenantry admin``: what somebody with access to the database may do, above all make the first key."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from tenantry.cli.local import local
from tenantry.model.identity import SCOPES, ApiKey
from tenantry.services.keys import LIFETIME
from tenantry.services.local_admin import ACTOR
from tenantry.settings import Settings
from tenantry.wiring import open_services


@click.group()
def admin() -> None:
    """What somebody with access to the database may do.

    These commands read the server's settings and open its database themselves; no server need run.
    """


@admin.group()
def key() -> None:
    """API keys of the platform: the first administrator, a robot, a dashboard."""


@key.command(name="create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(list(SCOPES)),
    default=["platform:admin"],
    show_default=True,
    help="What it may do; repeatable.",
)
@click.option("--days", default=LIFETIME // 86_400, show_default=True, help="How long it works; 0 for ever.")
@click.option("--from", "cidrs", multiple=True, metavar="CIDR", help="Network that it works from; any by default.")
@local
async def create_key(settings: Settings, name: str, scopes: tuple[str, ...], days: int, cidrs: tuple[str, ...]) -> None:
    """Make an API key and print its token, which is shown this once.

    \b
    Examples:
      tenantry admin key create alice
      tenantry admin key create grafana --scope platform:read --days 365 --from 10.0.0.0/8
    """
    async with open_services(settings) as services:
        made = await services.keys.create(ACTOR, name, scopes, lifetime=days * 86_400, allowed_cidrs=cidrs)
        click.echo(made.token)


@key.command(name="list")
@local
async def list_keys(settings: Settings) -> None:
    """Print the platform's API keys: id, state, scopes, name; never a token."""
    async with open_services(settings) as services:
        now = datetime.now(UTC)
        for found in await services.keys.list(ACTOR):
            click.echo(f"{found.id}  {_state(found, now):20}  {','.join(found.scopes):24}  {found.name}")


@key.command(name="revoke")
@click.argument("identifier", metavar="ID")
@local
async def revoke_key(settings: Settings, identifier: str) -> None:
    """Take an API key back: its next request is refused.

    \b
    Example:
      tenantry admin key revoke 7Qm2xW9LrT4bVh1c        an ID of `tenantry admin key list`
    """
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
