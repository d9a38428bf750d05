"""``tenantry apply``: bring a server to what manifests say, and say what became of each."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter, deque
from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from typing import Any

import click

from tenantry.cli import manifests
from tenantry.cli.exits import exit_of_work
from tenantry.cli.manifests import Complaint, Found, Named
from tenantry.cli.names import shown
from tenantry.cli.progress import Lines, progress
from tenantry.cli.remote import Remote, remote
from tenantry.client.errors import UnreachableError
from tenantry.client.resources import Document, Resources
from tenantry.client.session import Request
from tenantry.client.tenants import Tenants
from tenantry.exitcodes import Exit
from tenantry.model.errors import Code, FieldCode, TenantryError
from tenantry.model.kinds import KINDS, TENANT, Address

#: requests at a time: the server commits in one go what arrives together
CONCURRENCY = 16
#: how long somebody waits who has pressed Ctrl-C for the answers to what was sent; pressing it again ends that
LAST_SECONDS = 5.0
#: of metadata, what changes by itself
_VOLATILE = frozenset({"resourceVersion", "managedFields", "generation"})


class Outcome(StrEnum):
    """What became of a document."""

    CREATED = "created"
    RETURNED = "brought back"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    UNKNOWN = "unknown"  # it was sent, and nobody waited for the answer


#: what became of one that was tried
_Result = Outcome | TenantryError | None


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

    A deleted tenant that is among them comes back with its identity, keys and history, until its tombstone is purged.
    Plans come before tenants, and tenants before configs, whatever the order of the files. Each is checked first as
    `tenantry validate` does. One that fails stops none of the others: standard error says where it stands and why, and
    the exit code is 1, or 77 when none was allowed. Ctrl-C, and a server that is lost on the way, end it before its
    time; the summary counts what was not tried. Applying the same again changes nothing.

    \b
    Examples:
      tenantry apply -f k8s/samples/
      tenantry apply -f tenants.yaml -f plans/ --dry-run
      kustomize build overlays/prod | tenantry apply -f -
    """
    await target.session.send(Request(method="GET", path="/v1/me"))  # one line when nothing can succeed, not thousands
    found = list(manifests.read(sources, recursive=recursive))
    run = _Run(target.resources, Tenants(target.session), len(found), force=force_conflicts, dry_run=dry_run)
    try:
        with progress(len(found)) as lines:
            work: list[Named] = []
            for each in manifests.named(map(_check, found), target.namespace):
                if isinstance(each, Named):
                    work.append(each)
                else:
                    run.fail(each, lines)
            for kind in KINDS:
                await run.all([each for each in work if each.at.kind is kind], lines)
    finally:
        click.echo(run.summary())
    sys.exit(run.exit_code())


class _Run:
    """The work of one call, and how it went so far."""

    def __init__(self, resources: Resources, tenants: Tenants, total: int, *, force: bool, dry_run: bool) -> None:
        self._resources = resources
        self._tenants = tenants
        self._total = total
        self._force = force
        self._dry_run = dry_run
        self._counts = Counter[Outcome]()
        self._refusals: list[TenantryError] = []  # of the server
        self._limit = asyncio.Semaphore(CONCURRENCY)
        self._sent = set[Address]()
        self._lost = False  # whether the server is
        self._stopped = False  # whether nothing more is sent

    async def all(self, work: Sequence[Named], lines: Lines) -> None:
        """Apply what does not depend on each other, and tell of it in its order."""
        tasks = [asyncio.create_task(self._try(each)) for each in work]
        left = deque(zip(work, tasks, strict=True))
        try:
            while left:
                await asyncio.wait([left[0][1]])
                self._tell(*left.popleft(), lines)
        finally:
            if left:  # Ctrl-C
                self._stopped = True
                await self._end(left, lines)

    async def _end(self, left: Collection[tuple[Named, asyncio.Task[_Result]]], lines: Lines) -> None:
        """Wait for the answers to what was sent, and send nothing more."""
        try:
            await asyncio.wait([task for _, task in left], timeout=LAST_SECONDS)
        finally:
            for each, task in left:
                task.cancel()
                self._tell(each, task, lines)

    def fail(self, complaints: Iterable[Complaint], lines: Lines) -> None:
        """Count one that failed."""
        self._counts[Outcome.FAILED] += 1
        for complaint in complaints:
            lines.complain(str(complaint))
        lines.advance()

    def summary(self) -> str:
        """How many became what."""
        text = ", ".join(
            f"{self._counts[outcome]} {outcome}"
            for outcome in Outcome
            if self._counts[outcome] or outcome not in {Outcome.RETURNED, Outcome.UNKNOWN}
        )
        if untried := self._total - self._counts.total():
            text += f", {untried} not tried"
        return f"{text} (dry run)" if self._dry_run else text

    def exit_code(self) -> int:
        """What the process ends with."""
        if self._lost:
            return Exit.UNAVAILABLE
        return exit_of_work(self._refusals, failed=self._counts[Outcome.FAILED], total=self._counts.total())

    def _tell(self, work: Named, task: asyncio.Task[_Result], lines: Lines) -> None:
        if task.done() and not task.cancelled():
            outcome = task.result()
        else:
            outcome = Outcome.UNKNOWN if work.at in self._sent else None
        if outcome is None:
            return
        if isinstance(outcome, TenantryError):
            self._refusals.append(outcome)
            self.fail(_complaints(work.found, outcome), lines)
            return
        self._counts[outcome] += 1
        lines.say(f"{shown(work.at)} {outcome}" + (" (dry run)" if self._dry_run else ""))
        lines.advance()

    async def _try(self, work: Named) -> _Result:
        async with self._limit:
            if self._stopped:
                return None
            self._sent.add(work.at)
            try:
                return await self._apply(work)
            except TenantryError as error:
                self._lost = self._stopped = self._lost or isinstance(error, UnreachableError)
                return error

    async def _apply(self, work: Named) -> Outcome:
        try:
            before = await self._resources.get(work.at)
        except TenantryError as error:
            if error.code is not Code.NOT_FOUND:
                raise
            before = None
        returns = before is None and work.at.kind is TENANT and await self._tenants.can_come_back(work.at.name)
        after = await self._resources.apply(work.at, work.found.tree, force=self._force, dry_run=self._dry_run)
        if before is None:
            return Outcome.RETURNED if returns else Outcome.CREATED
        return Outcome.UNCHANGED if _wanted(before) == _wanted(after) else Outcome.CONFIGURED


def _check(found: Found | list[Complaint]) -> Found | list[Complaint]:
    return (manifests.mistakes(found) or found) if isinstance(found, Found) else found


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
