"""``tenantry audit``: take the audit log away as JSON lines, and see whether somebody has tampered with it."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime

import click
import orjson

from tenantry.cli.local import local, open_existing
from tenantry.cli.remote import Remote, remote
from tenantry.client.history import pages
from tenantry.exitcodes import Exit
from tenantry.model.errors import Code, TenantryError
from tenantry.model.kinds import TENANT, Address
from tenantry.services.audit import check
from tenantry.services.audit.check import Finding
from tenantry.settings import Settings, WrongSettingError
from tenantry.storage import audit_chains, resources
from tenantry.storage.db import Database

_PLATFORM = "platform"
_HEAD = re.compile(r"([^=]+)=([1-9]\d*:[0-9a-f]{64})")


@click.group()
def audit() -> None:
    """The audit log: who did what, and who was refused what."""


@audit.command()
@click.option("--tenant", metavar="NAME", help="Only what is about this tenant; its identity when it is deleted.")
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]), help="Only what happened then or later, in UTC."
)
@remote
async def export(target: Remote, *, tenant: str | None, since: datetime | None) -> None:
    """Print the audit log as JSON lines, newest first.

    A row is as GET /v1/audit has it; /docs tells what its parts mean.

    \b
    Examples:
      tenantry audit export > audit.jsonl
      tenantry audit export --tenant acme --since 2026-01-01
    """
    tenant_id = await _identity(target, tenant) if tenant else ""
    query, row = {"tenantID": tenant_id} if tenant_id else {}, None
    async for row in pages(target.session, "/v1/audit", query):
        if since and datetime.fromisoformat(row["at"]) < since.replace(tzinfo=UTC):
            return
        click.echo(orjson.dumps(row))
    if row is None and tenant and tenant_id == tenant:
        raise _unknown(tenant)


async def _identity(target: Remote, tenant: str) -> str:
    """The identity of the tenant of that name; the name itself, which may be one, when there is none."""
    try:
        found = await target.resources.get(Address(TENANT, "", tenant))
    except TenantryError as error:
        if error.code is not Code.NOT_FOUND:
            raise
        return tenant
    return str(found["status"]["tenantID"])


def _read_heads(ctx: click.Context, param: click.Parameter, heads: tuple[str, ...]) -> check.Heads:
    del ctx, param
    found = [_HEAD.fullmatch(head) for head in heads]
    if not all(found):
        raise click.BadParameter("must be as this command prints it, such as platform=7:1f3a...")
    return {"" if head[1] == _PLATFORM else head[1]: head[2] for head in found if head}


@audit.command()
@click.option("--tenant", metavar="NAME", help="Only the chain of this tenant; its identity when it is deleted.")
@click.option(
    "--head",
    "heads",
    metavar="OWNER=POSITION:SEAL",
    multiple=True,
    callback=_read_heads,
    help="Where a chain was once, as this command printed it or the server's log has it; repeatable.",
)
@local
async def verify(settings: Settings, tenant: str | None, heads: check.Heads) -> None:
    """See whether each row of the audit log is as it was sealed.

    The rows of each tenant, and those of the platform, are a chain, sealed with a key that is made of the one in
    TENANTRY_KEY_FILE. A row that was changed, deleted, inserted or moved ends it: the first of each chain is named,
    and the exit code is 1. Rows of the last second may wait for their seals.

    Who has the database and an older copy of it can bring that back. To notice that too, keep what this command prints
    after "ends at", or the lines of the server's log that say it every ten minutes, and give it with --head.

    Like `tenantry admin` it opens the server's database itself.

    \b
    Examples:
      tenantry audit verify
      tenantry audit verify --tenant acme
    """
    async with open_existing(settings) as services:
        if not services.seals:
            raise WrongSettingError("TENANTRY_KEY_FILE: must be set, because the audit log is sealed with it")
        tenant_id = await _find(services.db, tenant) if tenant else None
        if tenant_id and heads.keys() - {tenant_id}:
            raise click.UsageError(f"--head must be of the chain of {tenant}: with --tenant no other is looked at")
        faults = 0
        async for finding in check.check(services.db, services.seals, tenant_id=tenant_id, heads=heads):
            faults += bool(finding.fault)
            click.echo(await _line(services.db, finding))
    if faults:
        sys.exit(Exit.FAILED)


async def _find(db: Database, tenant: str) -> str:
    found = await db.run(resources.get, TENANT.name, "", tenant)
    if found is None and tenant not in await db.run(audit_chains.owners):
        raise _unknown(tenant)
    return found.tenant_id if found else tenant


def _unknown(tenant: str) -> TenantryError:
    return TenantryError(Code.NOT_FOUND, f'there is no tenant or chain "{tenant}"')


async def _line(db: Database, finding: Finding) -> str:
    tenant = await db.run(resources.tenant, finding.tenant_id) if finding.tenant_id else None
    owner = finding.tenant_id or _PLATFORM
    parts = ["1 row is as it was sealed" if finding.rows == 1 else f"{finding.rows} rows are as they were sealed"]
    if finding.removed:
        parts.append(f"{finding.removed} older {'one was' if finding.removed == 1 else 'ones were'} removed in time")
    if finding.unsealed:
        parts.append("1 waits for its seal" if finding.unsealed == 1 else f"{finding.unsealed} wait for their seals")
    if finding.fault:
        parts.append(f"TAMPERED WITH: {finding.fault}")
    elif finding.head:
        parts.append(f"ends at {owner}={finding.head}")
    return f"{tenant.name if tenant else owner}: {'; '.join(parts)}"
