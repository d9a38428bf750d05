"""``tenantry undelete``: bring a deleted tenant back."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from tenantry.cli import table
from tenantry.cli.names import find_object, shown
from tenantry.cli.remote import Remote, list_tombstones, remote
from tenantry.client.tenants import Tenants
from tenantry.model.kinds import TENANT, Address

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


def _find(words: tuple[str, ...]) -> Address:
    """The tenant that ``NAME`` names, or what names an object elsewhere."""
    at = Address(TENANT, "", words[0]) if len(words) == 1 and "/" not in words[0] else find_object(words, "")
    if at.kind is not TENANT:
        raise click.UsageError(f"a deleted {at.kind.singular} is not kept; apply it again")
    return at


@click.command()
@click.argument("words", metavar="[tenant NAME]", nargs=-1, shell_complete=_complete)
@remote
async def undelete(target: Remote, words: tuple[str, ...]) -> None:
    """Bring a deleted tenant back, or show which can be.

    A deleted tenant leaves a tombstone, which keeps its name, identity and last state for `spec.purgeAfter`: by it the
    tenant comes back as it was last, with its keys and history. Without a NAME all tombstones are shown, and until when
    they last. Plans and configs are not kept: apply them again. The word `tenant` may be left out.

    \b
    Examples:
      tenantry undelete
      tenantry undelete tenant acme
      tenantry undelete tenant/acme
    """
    tenants = Tenants(target.session)
    if words:
        at = _find(words)
        await tenants.undelete(at.name)
        click.echo(f"{shown(at)} is back")
        return
    rows = [[each.get(part) for part in _COLUMNS] async for each in tenants.tombstones()]
    if rows:
        click.echo(table.render(list(_COLUMNS.values()), rows))
    else:
        click.echo("No deleted tenants.", err=True)
