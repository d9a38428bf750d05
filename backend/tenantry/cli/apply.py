"""``tenantry apply``: bring a server to what manifests say, and say what became of each."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

import click

from tenantry.cli import manifests
from tenantry.cli.manifests import Complaint, Found, Named
from tenantry.cli.names import shown
from tenantry.cli.progress import Lines, progress
from tenantry.cli.remote import Remote, remote
from tenantry.client.resources import Document, Resources
from tenantry.client.session import Request
from tenantry.model.errors import Code, FieldCode, TenantryError
from tenantry.model.kinds import KINDS

#: requests at a time: the server commits in one go what arrives together
CONCURRENCY = 16
#: of metadata, what changes by itself
_VOLATILE = frozenset({"resourceVersion", "managedFields", "generation"})


class Outcome(StrEnum):
    """What became of a document."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@click.command()
@manifests.files()
@manifests.recursive
@click.option("--dry-run", is_flag=True, help="Let the server check and compute everything, and store nothing.")
@click.option("--force-conflicts", is_flag=True, help="Take over fields that somebody else has set.")
@remote
async def apply(
    target: Remote, sources: tuple[str, ...], *, recursive: bool, dry_run: bool, force_conflicts: bool
) -> None:
    """Create or change what manifests describe, by server-side apply.

    Plans come before tenants, and tenants before configs, whatever the order of the files. One that fails stops none
    of the others: standard error says where it stands and why, and the exit code is 1. Applying the same again
    changes nothing.

    \b
    Examples:
      tenantry apply -f k8s/samples/
      tenantry apply -f tenants.yaml -f plans/ --dry-run
      kustomize build overlays/prod | tenantry apply -f -
    """
    run = _Run(target.resources, force=force_conflicts, dry_run=dry_run)
    found = list(manifests.read(sources, recursive=recursive))
    await target.session.send(Request(method="GET", path="/v1/me"))  # one line when nothing can succeed, not thousands
    with progress(len(found)) as lines:
        work: list[Named] = []
        for each in manifests.named(found, target.namespace):
            if isinstance(each, Named):
                work.append(each)
            else:
                run.fail(each, lines)
        for kind in KINDS:
            await run.all((each for each in work if each.at.kind is kind), lines)
    click.echo(run.summary())
    sys.exit(int(run.counts[Outcome.FAILED] > 0 or not found))


class _Run:
    """The work of one call, and how it went so far."""

    def __init__(self, resources: Resources, *, force: bool, dry_run: bool) -> None:
        self._resources = resources
        self._force = force
        self._dry_run = dry_run
        self.counts = Counter[Outcome]()

    async def all(self, work: Iterable[Named], lines: Lines) -> None:
        """Apply what does not depend on each other."""
        waiting = iter(work)
        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENCY):
                group.create_task(self._take(waiting, lines))

    def fail(self, complaints: Iterable[Complaint], lines: Lines) -> None:
        """Count one that failed."""
        self.counts[Outcome.FAILED] += 1
        for complaint in complaints:
            lines.complain(str(complaint))
        lines.advance()

    def summary(self) -> str:
        """How many became what."""
        text = ", ".join(f"{self.counts[outcome]} {outcome}" for outcome in Outcome)
        return f"{text} (dry run)" if self._dry_run else text

    async def _take(self, waiting: Iterator[Named], lines: Lines) -> None:
        for work in waiting:
            try:
                outcome = await self._apply(work)
            except TenantryError as error:
                self.fail(_complaints(work.found, error), lines)
            else:
                self.counts[outcome] += 1
                lines.say(f"{shown(work.at)} {outcome}" + (" (dry run)" if self._dry_run else ""))
                lines.advance()

    async def _apply(self, work: Named) -> Outcome:
        try:
            before = await self._resources.get(work.at)
        except TenantryError as error:
            if error.code is not Code.NOT_FOUND:
                raise
            before = None
        after = await self._resources.apply(work.at, work.found.tree, force=self._force, dry_run=self._dry_run)
        if before is None:
            return Outcome.CREATED
        return Outcome.UNCHANGED if _wanted(before) == _wanted(after) else Outcome.CONFIGURED


def _wanted(document: Document) -> Any:
    """Of an object, what somebody wants and not what became of it."""
    metadata = {key: value for key, value in document["metadata"].items() if key not in _VOLATILE}
    return metadata, document["spec"]


def _complaints(found: Found, error: TenantryError) -> list[Complaint]:
    if not error.fields:
        return [found.complain("", str(error))]
    return [
        found.complain(
            field.path,
            f"{field.message}; --force-conflicts takes the field over"
            if field.code is FieldCode.MANAGER_CONFLICT
            else field.message,
        )
        for field in error.fields
    ]
