"""``tenantry get``: one object, some, or all, as a table or whole."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import click

from tenantry.cli import output, table
from tenantry.cli.names import complete_object, find_kinds, find_objects, shown
from tenantry.cli.remote import Remote, remote
from tenantry.cli.tombstones import offering_undelete
from tenantry.client.resources import Query, Table
from tenantry.model.errors import Code, TenantryError
from tenantry.model.kinds import Address, Kind

FORMS = ("wide", "yaml", "json", "name")


@dataclass(frozen=True, slots=True)
class _Shape:
    """How tables are shown."""

    wide: bool
    namespaces: bool  # a column for them
    qualified: bool  # names with their kind


@click.command()
@click.argument("words", metavar="KIND [NAME]...", nargs=-1, required=True, shell_complete=complete_object)
@click.option("-o", "--output", "form", type=click.Choice(FORMS), help="Whole objects, names, or a wider table.")
@output.selector("Only with these labels, such as `ring=internal,tier in (a, b)`.")
@output.namespace
@click.option("-A", "--all-namespaces", is_flag=True, help="Configs of all namespaces.")
@remote
async def get(  # noqa: PLR0913 - one for each option
    target: Remote,
    words: tuple[str, ...],
    *,
    form: str | None,
    selector: str,
    namespace: str | None,
    all_namespaces: bool,
) -> None:
    """Show plans, tenants or configs.

    KIND is plan, tenant or config, singular or plural; several with commas, or `all`. Without a NAME all are shown.

    \b
    Examples:
      tenantry get tenants
      tenantry get tenant acme globex -o wide
      tenantry get tenant/acme -o yaml
      tenantry get plans,tenants -l ring=internal
      tenantry get configs -A -o name
    """
    inside = namespace or target.namespace
    if len(words) == 1 and "/" not in words[0]:
        kinds = find_kinds(words[0])
        queries = [Query(kind, inside if kind.namespaced and not all_namespaces else "", selector) for kind in kinds]
        await _show_all(target, queries, form, namespaces=all_namespaces)
    elif selector or all_namespaces:
        raise click.UsageError("--selector and --all-namespaces go with no NAME")
    else:
        await _show_some(target, find_objects(words, inside), form)


async def _show_all(target: Remote, queries: Sequence[Query], form: str | None, *, namespaces: bool) -> None:
    if form in ("yaml", "json", "name"):
        documents = [document for query in queries for document in (await target.resources.list(query))[0]]
        _print(output.as_list(documents), documents, form)
        return
    tables = [(query.kind, await target.resources.table(query)) for query in queries]
    tables = [(kind, found) for kind, found in tables if found.rows]
    if not tables:
        click.echo("No resources found.", err=True)
        return
    shape = _Shape(wide=form == "wide", namespaces=namespaces, qualified=len(tables) > 1)
    click.echo("\n\n".join(_render(kind, found, shape) for kind, found in tables))


async def _show_some(target: Remote, wanted: Sequence[Address], form: str | None) -> None:
    """The objects that there are; for each that there is not a line, and exit code 1."""
    found: list[tuple[Address, Any]] = []
    missing: list[TenantryError] = []
    ask: Any = target.resources.get if form in ("yaml", "json", "name") else target.resources.row
    for at in wanted:
        try:
            async with offering_undelete(target, at):
                found.append((at, await ask(at)))
        except TenantryError as error:
            if error.code is not Code.NOT_FOUND:
                raise
            missing.append(error)
    if found and form in ("yaml", "json", "name"):
        documents = [document for _, document in found]
        _print(documents[0] if len(wanted) == 1 else output.as_list(documents), documents, form)
    elif found:
        kinds = [(kind, [row for _, row in rows]) for kind, rows in groupby(found, lambda each: each[0].kind)]
        shape = _Shape(wide=form == "wide", namespaces=False, qualified=len(kinds) > 1)
        merged = ((kind, Table(rows[0].columns, [row for each in rows for row in each.rows])) for kind, rows in kinds)
        click.echo("\n\n".join(_render(kind, rows, shape) for kind, rows in merged))
    for why in missing:
        click.echo(f"tenantry: {why}", err=True)
    if missing:
        sys.exit(1)


def _print(whole: output.Document, documents: Sequence[output.Document], form: str) -> None:
    for document in documents:  # as kubectl does: nobody reads who set which field
        document["metadata"].pop("managedFields", None)
    if form == "yaml":
        click.echo(output.as_yaml(whole))
    elif form == "json":
        click.echo(output.as_json(whole))
    else:
        for document in documents:
            click.echo(shown(output.address(document)))


def _render(kind: Kind, found: Table, shape: _Shape) -> str:
    columns = [index for index, column in enumerate(found.columns) if shape.wide or not column["priority"]]
    headings = [found.columns[index]["name"] for index in columns]
    rows = [[row["cells"][index] for index in columns] for row in found.rows]
    if shape.qualified:
        rows = [[shown(Address(kind, name=row[0])), *row[1:]] for row in rows]
    if shape.namespaces and kind.namespaced:
        headings.insert(0, "Namespace")
        rows = [[each["object"]["metadata"]["namespace"], *row] for each, row in zip(found.rows, rows, strict=True)]
    return table.render(headings, rows)
