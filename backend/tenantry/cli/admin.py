"""``tenantry admin``: what somebody with access to the database may do, above all make the first key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import click
from click.shell_completion import CompletionItem

from tenantry.cli import table
from tenantry.cli.local import local, open_existing
from tenantry.datadir import PAGES_URL, DataDirectoryError
from tenantry.model import ids
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import ApiKey
from tenantry.model.oauth import SigningKey
from tenantry.model.permissions import SCOPES
from tenantry.services.machines.keys import LIFETIME, Keys
from tenantry.services.machines.local_admin import ACTOR
from tenantry.settings import Settings, WrongSettingError, read_settings
from tenantry.wiring import Services

_DAY = 86_400  # seconds
_CENTURY = 36_500  # days; the API takes no more either
#: field of a key -> what says it on the command line
_OPTIONS = {"name": "NAME", "scopes": "--scope", "lifetimeSeconds": "--days", "allowedCIDRs": "--from"}


@click.group()
def admin() -> None:
    """What somebody with access to the database may do.

    These commands read the server's settings (TENANTRY_DATA_DIR, TENANTRY_DATABASE_URL) and open its database
    themselves; no server need run, but one must have made the database.
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
@click.option(
    "--days",
    type=click.IntRange(0, _CENTURY),
    default=LIFETIME // _DAY,
    show_default=True,
    help="How long it works; 0 for ever.",
)
@click.option("--from", "cidrs", multiple=True, metavar="CIDR", help="Network that it works from; any by default.")
@local
async def create_key(settings: Settings, name: str, scopes: tuple[str, ...], days: int, cidrs: tuple[str, ...]) -> None:
    """Make an API key and print its token, which is shown this once.

    The token is all that standard output gets; its ID, and what the key may do, go to standard error.

    \b
    Examples:
      tenantry admin key create alice
      tenantry admin key create grafana --scope platform:read --days 365 --from 10.0.0.0/8
    """
    async with open_existing(settings) as services:
        try:
            made = await services.keys.create(ACTOR, name, scopes, lifetime=days * _DAY, allowed_cidrs=cidrs)
        except TenantryError as error:
            fields = [replace(each, path=_OPTIONS[each.path.partition("[")[0]]) for each in error.fields]
            raise TenantryError(error.code, error.message, fields) from None
    found = made.key
    until = _state(found, datetime.now(UTC))
    click.echo(f"key {found.id} ({name}): {_scopes(found)}; from {_networks(found)}; {until}", err=True)
    click.echo(made.token)


@key.command(name="list")
@local
async def list_keys(settings: Settings) -> None:
    """Print the platform's API keys; never a token."""
    now = datetime.now(UTC)
    async with open_existing(settings) as services:
        rows = [
            [found.id, _state(found, now), _scopes(found), _networks(found), _last_use(found), found.name]
            async for found in _each(services.keys)
        ]
    click.echo(table.render(["ID", "State", "Scopes", "From", "Last used", "Name"], rows))


def _complete_id(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For the shell: the keys that can be revoked; nothing when there is trouble."""
    del ctx, param
    found: list[ApiKey] = []

    async def collect() -> None:
        async with open_existing(read_settings()) as services:
            found.extend([key async for key in _each(services.keys)])

    with suppress(TenantryError, WrongSettingError, DataDirectoryError):
        asyncio.run(collect())
    return [
        CompletionItem(key.id, help=key.name) for key in found if key.id.startswith(incomplete) and not key.revoked_at
    ]


@key.command(name="revoke")
@click.argument("which", metavar="NAME|ID", shell_complete=_complete_id)
@local
async def revoke_key(settings: Settings, which: str) -> None:
    """Take an API key back: within a second its requests are refused.

    Where several keys have the name, name one by its ID.

    \b
    Examples:
      tenantry admin key revoke grafana
      tenantry admin key revoke 7Qm2xW9LrT4bVh1c        an ID of `tenantry admin key list`
    """
    async with open_existing(settings) as services:
        found = await services.keys.revoke(ACTOR, await _identify(services.keys, which))
        click.echo(f"revoked {found.id} ({found.name})")


@admin.command(name="setup-link")
@local
async def setup_link(settings: Settings) -> None:
    """Print a link by which the first administrator makes their account; it works once, for 15 minutes.

    It is there while nobody can sign in yet. A link that was made before is void.
    """
    async with open_existing(settings) as services:
        click.echo(_link(services, f"/setup/{await services.accounts.setup_link(ACTOR)}"))


@admin.command()
@click.argument("who", metavar="EMAIL|ID")
@local
async def recover(settings: Settings, who: str) -> None:
    """Print a link by which a user sets a new password; it works once, for 15 minutes.

    For who has lost their second factor too, or has had an intruder: two-step sign-in is off afterwards, the user is
    signed out everywhere, and their identities elsewhere, own API keys and grants to OAuth clients are gone. Where two
    users have the address, name one by the id.

    \b
    Example:
      tenantry admin recover ada@example.com
    """
    async with open_existing(settings) as services:
        token = await services.accounts.recovery_link(ACTOR, who)
        click.echo(_link(services, f"/password/reset/{token}"))


def _link(services: Services, path: str) -> str:
    """The address of a page, at the port that the server of the data directory has taken, whatever it is here."""
    running = b"" if services.settings.external_url else services.directory.read(PAGES_URL)
    return running.decode() + path if running else services.accounts.link(path)


@admin.command()
@local
async def reencrypt(settings: Settings) -> None:
    """Encrypt all secrets in the database anew with the first key of TENANTRY_KEY_FILE.

    Put a new key on the first line of the file, before the old one, and restart the servers; then do this while they
    run. It may be repeated. The old key stays in the file for as long as the audit log has rows that it has sealed,
    TENANTRY_AUDIT_RETENTION_DAYS.
    """
    async with open_existing(settings) as services:
        counts = await services.reencryption.run(ACTOR)
    for count in counts:
        click.echo(f"{count.kind}: {count.found}, of which {count.renewed} encrypted anew")
    lost = [f"{count.kind}: {name}" for count in counts for name in count.unreadable]
    if lost:
        message = f"no key in TENANTRY_KEY_FILE has encrypted these, which nobody can read: {'; '.join(lost)}"
        raise TenantryError(Code.UNAVAILABLE, message)


@admin.group()
def signing_keys() -> None:
    """Keys that sign OAuth tokens: they replace one another by themselves, every 30 days."""


@signing_keys.command(name="list")
@local
async def list_signing_keys(settings: Settings) -> None:
    """Print the keys that are published, and what each does now."""
    async with open_existing(settings) as services:
        rows, unreadable = await services.signing_keys.list(), services.signing_keys.unreadable
    now = ids.now_micros()
    signer = max((row.active_from for row in rows if row.active_from <= now and row.id not in unreadable), default=0)

    def state(row: SigningKey) -> str:
        if row.id in unreadable:
            return "unreadable"
        if row.active_from > now:
            return "next"
        return "active" if row.active_from == signer else "retired"

    lines = [[row.id, row.alg, state(row), f"{_time(row.active_from):%Y-%m-%d %H:%M}"] for row in rows]
    click.echo(table.render(["ID", "Algorithm", "State", "Active from"], lines))


@signing_keys.command(name="rotate")
@local
async def rotate_signing_keys(settings: Settings) -> None:
    """Let a new key sign in 15 minutes, when everybody can know it; what is signed already stays good."""
    async with open_existing(settings) as services:
        made = await services.signing_keys.rotate(ACTOR)
    click.echo(f"key {made.id} signs from {_time(made.active_from):%Y-%m-%d %H:%M} UTC on")


@signing_keys.command(name="drop-active")
@click.confirmation_option(prompt="Every access token that was issued stops working. Go on?")
@local
async def drop_signing_key(settings: Settings) -> None:
    """Delete the key that signs, when somebody else may have it, and let a new one sign at once.

    Every token that it has signed is refused within a second; people stay signed in, and clients get new tokens. After
    the key in TENANTRY_KEY_FILE is lost for good, a server starts with another one once this was done.

    \b
    Example:
      tenantry admin signing-keys drop-active --yes
    """
    async with open_existing(settings) as services:
        made = await services.signing_keys.drop_active(ACTOR)
    click.echo(f"key {made.id} signs now")


async def _each(keys: Keys) -> AsyncIterator[ApiKey]:
    """All keys of the platform, page by page."""
    after = ""
    while page := await keys.list(ACTOR, after=after):
        for each in page:
            yield each
        after = page[-1].id


async def _identify(keys: Keys, which: str) -> str:
    """The ID of the key that is meant by its name, if it is no ID itself."""
    try:
        return (await keys.get(ACTOR, which)).id
    except TenantryError as error:
        if error.code is not Code.NOT_FOUND:
            raise
    named = [key.id async for key in _each(keys) if key.name == which and not key.revoked_at]
    if len(named) > 1:
        message = f'{len(named)} API keys have the name "{which}": name one by its ID, {" or ".join(named)}'
        raise TenantryError(Code.CONFLICT, message)
    return named[0] if named else which


def _scopes(found: ApiKey) -> str:
    return ",".join(found.scopes)


def _networks(found: ApiKey) -> str:
    return ",".join(found.allowed_cidrs) or "anywhere"


def _last_use(found: ApiKey) -> str:
    return f"{_time(found.last_used_at):%Y-%m-%d %H:%M}" if found.last_used_at else "never"


def _time(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1_000_000, UTC)


def _state(found: ApiKey, now: datetime) -> str:
    if found.revoked_at:
        return "revoked"
    if not found.expires_at:
        return "never expires"
    expires = _time(found.expires_at)
    return f"{'expired' if expires <= now else 'expires'} {expires:%Y-%m-%d}"
