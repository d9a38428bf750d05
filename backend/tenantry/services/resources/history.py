"""History: the revisions of a Plan, Tenant or Config, what differs between two of them, and the way back to one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import orjson

from tenantry.model import ids
from tenantry.model.diff import Difference, diff
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor
from tenantry.model.kinds import Address, Kind
from tenantry.model.resource import Resource, Revision
from tenantry.services import answers
from tenantry.services.answers import Once
from tenantry.services.attempts import retrying
from tenantry.services.offload import offload
from tenantry.services.resources import candidate, transactions
from tenantry.services.resources.candidate import Candidate, Writer
from tenantry.services.resources.crud import ResourceService, check_writable
from tenantry.storage import revisions
from tenantry.storage.db import Database

#: field manager of a rollback, which owns nothing: whose a field was it stays, so that no apply meets a conflict
MANAGER = "tenantry"


class History:
    """The revisions of living objects, over one database."""

    def __init__(self, db: Database, resources: ResourceService) -> None:
        self._db = db
        self._resources = resources

    async def get(self, actor: Actor, at: Address, number: int) -> Revision:
        """One revision; NOT_FOUND when it was never published, or was pruned."""
        return await self._find(await self._resources.get(actor, at), number)

    async def diff(self, actor: Actor, at: Address, start: int, end: int | None) -> list[Difference]:
        """The fields in which the spec of revision ``end``, or of now, differs from that of revision ``start``."""
        current = await self._resources.get(actor, at)
        before = (await self._find(current, start)).doc
        after = current.spec if end is None else (await self._find(current, end)).doc
        return await offload([before, after], _differences, before, after)

    async def rollback(  # noqa: PLR0913 - all that a rollback says
        self,
        actor: Actor,
        at: Address,
        number: int,
        *,
        message: str,
        check: Callable[[Resource], None],
        once: Once[Resource] | None,
    ) -> Resource:
        """Give the object the spec of revision ``number`` again, as a new revision; unchanged if it has that spec.

        Args:
            actor: who asks.
            at: the object.
            number: the revision.
            message: kept with the new revision, for people.
            check: raises when the object is not as the caller has seen it.
            once: the request, when its answer is to be kept.

        Raises:
            TenantryError: ``NOT_FOUND``, ``MANAGED_ELSEWHERE``; ``INVALID``, the spec is no longer a valid one.
        """

        async def attempt() -> Resource:
            current = await self._resources.get(actor, at)
            check(current)
            check_writable(at.kind, current)
            revision = await self._find(current, number)
            new = await offload([revision.doc, *current.texts], _rolled_back, at.kind, current, revision)
            if new.unchanged:
                return await answers.keep(self._db, once, current)
            note = message or f"rollback to revision {number}"
            return await answers.run(self._db, once, transactions.put, actor, replace(new, message=note), "rollback")

        return await retrying(attempt)

    async def list(self, actor: Actor, at: Address, *, before: int, limit: int) -> list[Revision]:
        """At most ``limit`` revisions with numbers below ``before``, newest first.

        Raises:
            TenantryError: ``NOT_FOUND``, there is no such object that the actor may see.
        """
        current = await self._resources.get(actor, at)
        return await self._db.run(partial(revisions.page, before=before, limit=limit), _key(current))

    async def _find(self, current: Resource, number: int) -> Revision:
        found = await self._db.run(revisions.get, _key(current), number)
        if found is None:
            message = f"{current.kind} {current.name} has no revision {number}, or no longer: see its history"
            raise TenantryError(Code.NOT_FOUND, message, kind=current.kind, name=current.name)
        return found


def _differences(before: str, after: str) -> list[Difference]:
    return diff(orjson.loads(before), orjson.loads(after), "spec")


def _rolled_back(kind: Kind, current: Resource, revision: Revision) -> Candidate:
    document = {**current.document(), "spec": orjson.loads(revision.doc)}
    return candidate.update(kind, document, current, Writer(manager=MANAGER, now=ids.now_micros(), settled=True))


def _key(current: Resource) -> revisions.Key:
    return *current.key, current.tenant_id
