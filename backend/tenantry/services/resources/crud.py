"""The resource API's use cases: get, list, create, replace, patch, apply, delete a Plan, Tenant or Config.

A write reads the object, computes what it should become outside any transaction, and stores that in one unit that
fails if somebody else was faster; a write that did not name a ``resourceVersion`` is then computed again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from tenantry.model import ids
from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError
from tenantry.model.identity import Actor
from tenantry.model.kinds import TENANT, Address, Kind
from tenantry.model.manifest import Document
from tenantry.model.resource import API, Resource
from tenantry.services.attempts import PERSISTENT, retrying
from tenantry.services.offload import offload
from tenantry.services.resources import candidate, transactions
from tenantry.services.resources.candidate import Candidate, Writer
from tenantry.services.resources.lookup import Lookup
from tenantry.services.resources.transactions import Beside, Page, Query
from tenantry.storage import changes, resources
from tenantry.storage.db import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a write is to be done."""

    manager: str = "unknown"
    force: bool = False  # server-side apply takes fields over from other managers
    dry_run: bool = False
    validation: str = "Warn"  # of unknown fields: Ignore, Warn or Strict

    def writer(self, subresource: str = "", *, applies: bool = False, patches: bool = False) -> Writer:
        """Who writes with these options, now."""
        return Writer(
            manager=self.manager,
            now=ids.now_micros(),
            subresource=subresource,
            settled=applies,
            patches=patches,
            validation=self.validation,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Preconditions:
    """What must still be true of the object that is deleted."""

    uid: str | None = None
    resource_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The object as it stands after a write."""

    resource: Resource
    created: bool = False
    deleted: bool = False  # the row is gone
    warnings: tuple[str, ...] = ()


class ResourceService:
    """The use cases on resources, over one database."""

    def __init__(self, db: Database, lookup: Lookup) -> None:
        self._db = db
        self._lookup = lookup

    async def get(self, actor: Actor, at: Address) -> Resource:
        """The object; NOT_FOUND when there is none that the actor may see."""
        found = await self._find(actor, at)
        if found is None:
            raise _not_found(at)
        return found

    async def list(self, actor: Actor, query: Query) -> Page:
        """One page of the objects that the actor may see, ordered by namespace and name."""
        return await self._db.run(transactions.page, actor, query, snapshot=True)

    async def seq(self) -> int:
        """The last seq committed, which a list that is read now is at least as new as."""
        return await self._db.run(changes.current_seq)

    async def own_name(self, actor: Actor) -> str:
        """The name that the Tenant of an actor who is bound to one has now; empty when it is gone."""
        return await self._db.run(resources.tenant_name, actor.tenant_id) or ""

    async def create(self, actor: Actor, at: Address, document: Document, options: Options) -> Written:
        """A new object; ALREADY_EXISTS when the name is taken, NAME_TOMBSTONED when it is kept for another."""

        async def attempt() -> Written:
            new = await offload(document, candidate.create, at.kind, document, at.namespace, options.writer())
            return await self._store(actor, new, options, "create")

        return await retrying(attempt, final=Code.ALREADY_EXISTS)

    async def replace(self, actor: Actor, at: Address, document: Document, options: Options) -> Written:
        """A PUT: the document takes the place of the object at the ``resourceVersion`` that it names."""
        if not (document.get("metadata") or {}).get("resourceVersion"):
            await self.get(actor, at)
            message = "Invalid value: 0: must be specified for an update"
            error = FieldError("metadata.resourceVersion", FieldCode.INVALID, message)
            raise candidate.invalid(at.kind, at.name, [error])

        async def attempt() -> Written:  # again for what it rests on: its own object it names
            current = await self.get(actor, at)
            writer = options.writer(at.subresource)
            new = await offload([document, *current.texts], candidate.update, at.kind, document, current, writer)
            return await self._store(actor, new, options, "update")

        return await retrying(attempt)

    async def patch(  # noqa: PLR0913 - who writes what where, and how
        self,
        actor: Actor,
        at: Address,
        change: Callable[[Document, Any], Document],
        patch: Any,
        options: Options,
        *,
        beside: Beside | None = None,
    ) -> Written:
        """What ``change`` makes of the object as it stands and ``patch``; again if somebody else was faster.

        What follows from it is written ``beside`` it, in the same unit.
        """

        async def attempt() -> Written:
            current = await self.get(actor, at)
            writer = options.writer(at.subresource, patches=True)

            def patched() -> Candidate:
                live = current.document()
                return candidate.update(at.kind, change(live, patch), current, writer, live)

            new = await offload([patch, *current.texts], patched)
            return await self._store(actor, new, options, "patch", beside)

        return await retrying(attempt)

    async def apply(self, actor: Actor, at: Address, config: Document, options: Options) -> Written:
        """Server-side apply (KEP-555): the manager's whole opinion, merged with what others own."""

        async def attempt() -> Written:
            current = await self._find(actor, at)
            if current is None and at.subresource:
                raise _not_found(at)
            writer = options.writer(at.subresource, applies=True)
            apply = partial(candidate.apply, at, config, current, writer, force=options.force)
            new = await offload([config, *(current.texts if current else ())], apply)
            return await self._store(actor, new, options, "apply" if current else "create")

        return await retrying(attempt)

    async def delete(self, actor: Actor, at: Address, wanted: Preconditions, options: Options) -> Written:
        """Delete the object, or mark it while finalizers hold it."""

        async def attempt() -> Written:
            current = await self.get(actor, at)
            _check_preconditions(at.kind, current, wanted)
            check_writable(at.kind, current)
            _check_protection(at.kind, current)
            meta = current.meta_dict()
            if not meta.get("finalizers"):
                return await self._remove(actor, at.kind, current, options)
            if "deletionTimestamp" in meta:
                return Written(resource=current)
            await self._db.run(transactions.check_deletable, at.kind, current)
            new = await offload(current.texts, candidate.mark_deleted, at.kind, current, ids.now_micros())
            return await self._store(actor, new, options, "delete")

        return await retrying(attempt, PERSISTENT)

    async def delete_all(self, actor: Actor, query: Query, wanted: Preconditions, options: Options) -> Page:
        """Delete what ``query`` selects, one after the other until one cannot be; the page is how they were."""
        page = await self.list(actor, query)
        for each in page.items:
            try:
                await self.delete(actor, Address(query.kind, each.namespace, each.name), wanted, options)
            except TenantryError as error:
                if error.code is not Code.NOT_FOUND:
                    raise
        return page

    async def _find(self, actor: Actor, at: Address) -> Resource | None:
        found = await self._lookup.find(at.kind.name, at.namespace, at.name)
        if found is not None and not transactions.is_visible(actor.tenant_id, found):
            raise _not_found(at)
        return found

    async def _store(
        self, actor: Actor, new: Candidate, options: Options, action: str, beside: Beside | None = None
    ) -> Written:
        current, warnings = new.current, new.warnings
        if current is not None:
            check_writable(new.kind, current)
            if new.unchanged:
                return Written(resource=current, warnings=warnings)
            if _is_let_go(new.resource):
                return await self._remove(actor, new.kind, current, options, new.resource)
        if options.dry_run:
            stored = await self._db.run(transactions.check_storable, new)
        else:
            stored = await self._db.run(transactions.store, actor, new, action, beside, write=True)
        if stored.instead:
            warnings += (f'{new.kind.name} "{new.resource.name}" was {stored.instead}',)
        return Written(resource=stored.resource, created=current is None, warnings=warnings)

    async def _remove(
        self, actor: Actor, kind: Kind, current: Resource, options: Options, last: Resource | None = None
    ) -> Written:
        """Delete for good; ``last`` is what the object became by the write that let it go."""
        if options.dry_run:
            await self._db.run(transactions.check_deletable, kind, current)
            return Written(resource=last or current, deleted=True)
        now = ids.now_micros()
        await self._db.run(transactions.remove, actor, current, now, write=True)
        # the one who let it go is shown it as it was, at a version from which a watch sees it go
        return Written(resource=last or current, deleted=True)


def _is_let_go(resource: Resource) -> bool:
    """Whether the last finalizer of what is being deleted is gone."""
    if "deletionTimestamp" not in resource.meta:  # managed fields may be long, and this is true of most
        return False
    meta = resource.meta_dict()
    return "deletionTimestamp" in meta and not meta.get("finalizers")


def _not_found(at: Address) -> TenantryError:
    return TenantryError(Code.NOT_FOUND, f'there is no {at.kind.name} "{at.name}"', kind=at.kind.name, name=at.name)


def _check_preconditions(kind: Kind, current: Resource, wanted: Preconditions) -> None:
    for name, want, have in (
        ("UID", wanted.uid, current.uid),
        ("ResourceVersion", wanted.resource_version, str(current.seq)),
    ):
        if want is not None and want != have:
            message = f"Precondition failed: {name} in precondition: {want}, {name} in object meta: {have}"
            raise TenantryError(Code.CONFLICT, message, kind=kind.name, name=current.name)


def check_writable(kind: Kind, current: Resource) -> None:
    """Refuse a write to what a cluster manages."""
    if current.managed_by != API:
        raise TenantryError(
            Code.MANAGED_ELSEWHERE,
            f'it is managed by cluster "{current.managed_by}": change it there, with that cluster\'s kubeconfig',
            kind=kind.name,
            name=current.name,
        )


def _check_protection(kind: Kind, current: Resource) -> None:
    if kind is TENANT and orjson.loads(current.spec).get("deletionProtection") == "Enabled":
        raise TenantryError(
            Code.DELETION_PROTECTED,
            "spec.deletionProtection is Enabled; set it to Disabled first",
            kind=kind.name,
            name=current.name,
        )
