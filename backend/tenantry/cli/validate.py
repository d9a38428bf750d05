"""``tenantry validate``: are these manifests right, without a server."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from tenantry.cli import manifests
from tenantry.cli.manifests import Addresses, Complaint, Found
from tenantry.model.errors import FieldError
from tenantry.model.kinds import Address
from tenantry.model.manifest import Manifest, kind_of, parse, unknown_fields


@click.command()
@manifests.files()
@manifests.recursive
def validate(sources: tuple[str, ...], *, recursive: bool) -> None:
    """Check manifests offline, by the rules that a server and a cluster have.

    Every mistake is a line `file:path: message (line 3)` on standard output, and the exit code is 1 when there is one.
    Unknown fields are mistakes. What only a server can know, such as whether a plan exists, is not looked at.

    \b
    Examples:
      tenantry validate -f k8s/samples/
      kustomize build overlays/prod | tenantry validate -f -
    """
    valid = wrong = 0
    seen = Addresses()
    for found in manifests.read(sources, recursive=recursive):
        complaints = list(_check(found, seen)) if isinstance(found, Found) else found
        for complaint in sorted(complaints, key=lambda each: each.line):
            click.echo(complaint)
        wrong += bool(complaints)
        valid += not complaints
    click.echo(f"{valid} valid, {wrong} wrong", err=True)
    sys.exit(int(wrong > 0))


def _check(found: Found, seen: Addresses) -> Iterator[Complaint]:
    parsed = parse(found.tree)
    if isinstance(parsed, Manifest):
        unknown = parsed.unknown
        at = manifests.address(found, "")
        if isinstance(at, Address) and (again := seen.add(at, found)):  # generateName gives it none
            yield again
    else:
        kind = kind_of(found.tree)
        unknown = () if isinstance(kind, FieldError) else tuple(unknown_fields(kind, found.tree))
        yield from (found.complain(error.path, error.message) for error in parsed)
    yield from (found.complain(path, "unknown field: remove it, or correct its name") for path in unknown)
