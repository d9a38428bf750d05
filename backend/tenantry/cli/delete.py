"""``tenantry delete``: take objects away, by name or by manifest."""

from __future__ import annotations

import sys

import click

from tenantry.cli import manifests, output
from tenantry.cli.names import complete_object, find_objects, shown
from tenantry.cli.remote import Remote, remote
from tenantry.model.errors import Code, TenantryError
from tenantry.model.kinds import KINDS, Address


@click.command()
@click.argument("words", metavar="[KIND NAME...]", nargs=-1, shell_complete=complete_object)
@manifests.files(required=False)
@manifests.recursive
@click.option("--ignore-not-found", is_flag=True, help="What is not there counts as deleted.")
@output.namespace
@remote
async def delete(  # noqa: PLR0913 - one for each option
    target: Remote,
    words: tuple[str, ...],
    sources: tuple[str, ...],
    *,
    recursive: bool,
    ignore_not_found: bool,
    namespace: str | None,
) -> None:
    """Delete plans, tenants or configs, named or described by manifests.

    A deleted tenant leaves its name and its last state behind for `spec.purgeAfter`: applying it again within that
    time brings it back with its identity and history. A plan that tenants are on, and a tenant with
    `deletionProtection: Enabled`, are refused. One that fails stops none of the others; the exit code is 1 then.

    \b
    Examples:
      tenantry delete tenant acme
      tenantry delete tenant/acme plan/pro
      tenantry delete -f k8s/samples/ --ignore-not-found
    """
    if bool(words) == bool(sources):
        raise click.UsageError("give either KIND and NAME, or -f")
    inside = namespace or target.namespace
    failed = False
    wanted: list[Address] = list(find_objects(words, inside)) if words else []
    for found in manifests.named(manifests.read(sources, recursive=recursive), inside):
        if isinstance(found, manifests.Named):
            wanted.append(found.at)
        else:
            failed = True
            for complaint in found:
                click.echo(complaint, err=True)
    if sources:  # what refers goes before what it refers to
        wanted.sort(key=lambda at: KINDS.index(at.kind), reverse=True)
    for at in wanted:
        try:
            click.echo(f"{shown(at)} {await _delete(target, at)}")
        except TenantryError as error:
            if not (ignore_not_found and error.code is Code.NOT_FOUND):
                failed = True
                click.echo(f"tenantry: {error}", err=True)
    sys.exit(int(failed))


async def _delete(target: Remote, at: Address) -> str:
    left = await target.resources.delete(at)
    if left is None:
        return "deleted"
    return f"is being deleted: it waits for {', '.join(left['metadata'].get('finalizers', ()))}"
