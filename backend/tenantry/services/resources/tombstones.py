"""Tombstones: what deleted Tenants leave, brought back or given up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import orjson

from tenantry.model import ids
from tenantry.model.audit import AuditEvent
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor
from tenantry.model.kinds import TENANT
from tenantry.model.resource import API, API_VERSION, Resource, Tombstone
from tenantry.services import answers
from tenantry.services.answers import Once
from tenantry.services.attempts import retrying
from tenantry.services.audit.log import event
from tenantry.services.offload import offload
from tenantry.services.resources import candidate, transactions
from tenantry.services.resources.candidate import Candidate, Writer
from tenantry.services.withdrawal import forget_tenant
from tenantry.storage import audit, changes, tombstones
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

#: field manager of what an undelete brings back, where the tombstone does not tell whose it was
MANAGER = "tenantry"
Check = Callable[[Tombstone], None]


class Tombstones:
    """The tombstones of one database. They belong to the platform: a tenant's own credential sees none."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def get(self, actor: Actor, name: str) -> Tombstone:
        """The tombstone of that name; NOT_FOUND when there is none."""
        found = None if actor.tenant_id else await self._db.run(tombstones.get, name)
        if found is None:
            raise TenantryError(
                Code.NOT_FOUND, f'there is no tombstone of a Tenant "{name}": it is not deleted, or never was'
            )
        return found

    async def undelete(self, actor: Actor, name: str, check: Check, once: Once[Resource] | None) -> Resource:
        """Bring the tenant back as it was last, with its identity, keys, history and managed fields.

        Args:
            actor: who asks.
            name: the tenant's.
            check: raises when the tombstone is not as the caller has seen it.
            once: the request, when its answer is to be kept.

        Raises:
            TenantryError: ``NOT_FOUND``; ``MANAGED_ELSEWHERE``, it was a cluster's; ``EXPIRED``, it was purged.
        """

        async def attempt() -> Resource:
            buried = await self.get(actor, name)
            check(buried)
            _check_living(buried)
            new = await offload(buried.last_doc, _revived, buried)
            return await answers.run(self._db, once, transactions.put, actor, new, "undelete")

        return await retrying(attempt)

    async def release(self, actor: Actor, name: str, check: Check) -> Tombstone:
        """Free the name for anybody; what the tombstone keeps is gone for good.

        Raises:
            TenantryError: ``NOT_FOUND``.
        """

        async def attempt() -> Tombstone:
            buried = await self.get(actor, name)
            check(buried)
            told = event(actor, "release", TENANT.name, name, at=ids.now_micros(), tenant_id=buried.tenant_id)
            await self._db.run(_release, buried, told, write=True)
            return buried

        return await retrying(attempt)

    async def list(self, actor: Actor, *, after: str, limit: int) -> list[Tombstone]:
        """At most ``limit`` tombstones with names beyond ``after``, in their order."""
        if actor.tenant_id:
            return []
        return await self._db.run(partial(tombstones.page, after=after, limit=limit))


def _revived(buried: Tombstone) -> Candidate:
    last = orjson.loads(buried.last_doc)
    metadata = {**last["metadata"], "name": buried.slug}
    document = {"apiVersion": API_VERSION, "kind": TENANT.name, "metadata": metadata, "spec": last["spec"]}
    writer = Writer(manager=MANAGER, now=ids.now_micros(), settled="managedFields" in metadata)
    new = candidate.create(TENANT, document, "", writer)
    return replace(new, resource=replace(new.resource, tenant_id=buried.tenant_id))


def _release(unit: Unit, buried: Tombstone, event: AuditEvent) -> None:
    if not tombstones.remove(unit, buried):
        raise TenantryError(Code.CONFLICT, "somebody else was faster; try again", raced=True)
    audit.append(unit, event)
    changes.announce(unit, forget_tenant(unit, buried.tenant_id), at=event.at)


def _check_living(buried: Tombstone) -> None:
    if buried.managed_by != API:
        raise TenantryError(
            Code.MANAGED_ELSEWHERE,
            f'it belonged to cluster "{buried.managed_by}": apply it there again to bring it back',
            kind=TENANT.name,
            name=buried.slug,
        )
    if buried.purge_at <= ids.now_micros():
        raise TenantryError(
            Code.EXPIRED, "it was purged and cannot be brought back; release the name to use it for another tenant"
        )
