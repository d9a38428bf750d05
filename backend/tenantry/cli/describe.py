"""``tenantry describe``: everything about one object, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from tenantry.cli import output, table
from tenantry.cli.names import complete_object, find_objects
from tenantry.cli.remote import Remote, remote
from tenantry.cli.tombstones import offering_undelete
from tenantry.model import yamldoc

_INDENT = "  "


@click.command()
@click.argument("words", metavar="KIND NAME...", nargs=-1, required=True, shell_complete=complete_object)
@output.namespace
@remote
async def describe(target: Remote, words: tuple[str, ...], *, namespace: str | None) -> None:
    """Show everything about one object, its conditions last.

    \b
    Examples:
      tenantry describe tenant acme
      tenantry describe config/web -n tenantry-system
    """
    for index, at in enumerate(find_objects(words, namespace or target.namespace)):
        if index:
            click.echo("\n")
        async with offering_undelete(target, at):
            document = await target.resources.get(at)
        click.echo("\n".join(_lines(document)))


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    metadata = document["metadata"]
    status = dict(document.get("status", {}))
    conditions = status.pop("conditions", [])
    status.pop("observedGeneration", None)
    head = {
        "Name": metadata["name"],
        "Namespace": metadata.get("namespace"),
        "Kind": document["kind"],
        "Created": metadata["creationTimestamp"],
        "Deleted": metadata.get("deletionTimestamp"),
        "Finalizers": ", ".join(metadata.get("finalizers", ())),
        "Generation": metadata["generation"],
        "UID": metadata["uid"],
    }
    yield from (f"{name + ':':<12}{value}" for name, value in head.items() if value)
    for name in ("labels", "annotations"):
        yield from _section(name.capitalize(), metadata.get(name))
    yield from _section("Spec", document.get("spec"))
    yield from _section("Status", status)
    yield "Conditions:"
    rows = [
        [each["type"], each["status"], each["reason"], each["lastTransitionTime"], each["message"]]
        for each in conditions
    ]
    yield from (
        _INDENT + line for line in table.render(["Type", "Status", "Reason", "Since", "Message"], rows).split("\n")
    )


def _section(name: str, tree: Any) -> Iterator[str]:
    if tree:
        yield f"{name}:"
        yield from (_INDENT + line for line in yamldoc.dump(tree).splitlines())
