"""``tenantry export``: everything that a server has, as manifests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from tenantry.cli import output
from tenantry.cli.names import find_kinds, shown
from tenantry.cli.remote import Remote, remote
from tenantry.client.resources import Query
from tenantry.model.kinds import KINDS

#: of metadata, what somebody wrote; the rest is the server's own
_WRITTEN = ("name", "namespace", "labels", "annotations", "finalizers")
#: what kubectl notes of its own last apply: whoever sent it along would own it, and meet kubectl in a conflict
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@click.command()
@click.argument("kinds", metavar="[KIND,...]", default="all")
@output.selector("Only what has these labels.")
@remote
async def export(target: Remote, kinds: str, *, selector: str) -> None:
    """Print plans, tenants and configs as YAML that `tenantry apply` takes.

    Applied to an empty server it makes the same objects: names, labels, annotations and specs, in the order in which
    they refer to each other. What a server computes (status, uid, history) is not in it. What is being deleted is left
    out, and said so.

    \b
    Examples:
      tenantry export > backup.yaml
      tenantry export plans
      tenantry export -l ring=internal | TENANTRY_SERVER=https://tenantry.example.com tenantry apply -f -
    """
    wanted = find_kinds(kinds)
    for kind in (kind for kind in KINDS if kind in wanted):
        async for document in target.resources.each(Query(kind, labels=selector)):
            if "deletionTimestamp" in document["metadata"]:
                click.echo(f"tenantry: left out, being deleted: {shown(output.address(document))}", err=True)
            else:
                click.echo(f"---\n{output.as_yaml(_written(document))}")


def _written(document: Mapping[str, Any]) -> output.Document:
    metadata = dict(document["metadata"])
    annotations = metadata.get("annotations", {})
    metadata["annotations"] = {key: value for key, value in annotations.items() if key != _LAST_APPLIED}
    return {
        "apiVersion": document["apiVersion"],
        "kind": document["kind"],
        "metadata": {part: metadata[part] for part in _WRITTEN if metadata.get(part)},
        "spec": document["spec"],
    }
