"""``tenantry undelete``: bring a deleted tenant back."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from tenantry.cli import table
from tenantry.cli.remote import Remote, list_tombstones, remote
from tenantry.client.tenants import Tenants

_COLUMNS = {
    "name": "Name",
    "tenantID": "Tenant-ID",
    "managedBy": "Managed by",
    "deletedAt": "Deleted",
    "purgeAt": "Until",
}


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For the shell: what can come back."""
    del param
    return [CompletionItem(name) for name in list_tombstones(ctx.params) if name.startswith(incomplete)]


@click.command()
@click.argument("name", required=False, shell_complete=_complete)
@remote
async def undelete(target: Remote, name: str | None) -> None:
    """Bring a deleted tenant back, or show which can be.

    A deleted tenant leaves a tombstone, which keeps its name, identity and last state for `spec.purgeAfter`: by it the
    tenant comes back as it was last, with its keys and history. Without a NAME all tombstones are shown, and until when
    they last. Plans and configs are not kept: apply them again.

    \b
    Examples:
      tenantry undelete
      tenantry undelete acme
    """
    tenants = Tenants(target.session)
    if name:
        await tenants.undelete(name)
        click.echo(f"tenant.tenantry.dev/{name} is back")
        return
    rows = [[each.get(part) for part in _COLUMNS] async for each in tenants.tombstones()]
    if rows:
        click.echo(table.render(list(_COLUMNS.values()), rows))
    else:
        click.echo("No deleted tenants.", err=True)
