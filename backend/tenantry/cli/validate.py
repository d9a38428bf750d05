"""``tenantry validate``: are these manifests right, without a server."""

from __future__ import annotations

import sys

import click

from tenantry.cli import manifests
from tenantry.cli.manifests import Addresses, Complaint, Found
from tenantry.model.kinds import Address


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
        complaints = _check(found, seen) if isinstance(found, Found) else found
        for complaint in complaints:
            click.echo(complaint)
        wrong += bool(complaints)
        valid += not complaints
    click.echo(f"{valid} valid, {wrong} wrong", err=True)
    sys.exit(int(wrong > 0))


def _check(found: Found, seen: Addresses) -> list[Complaint]:
    wrong = manifests.mistakes(found)
    at = manifests.address(found, "")
    if wrong or not isinstance(at, Address):  # generateName gives it none
        return wrong
    again = seen.add(at, found)
    return [again] if again else []
