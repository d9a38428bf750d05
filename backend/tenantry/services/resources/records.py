"""Records: what a cluster's operator tells about the cluster's own Plans, Tenants and Configs.

A record is a resource that is managed by the cluster. It makes claims and revisions like any other, its status is the
operator's, and nobody else can write it. A Config is kept in the namespace ``<cluster>.<namespace>``: no namespace of
Kubernetes has a dot, so clusters never clash.

An object that was deleted and made again has another UID, and messages may come late. So one UID follows another only
when the first was reported gone, or when the operator has looked and says so; and one that was reported gone never
comes back.

An object that goes without being deleted, with its namespace or its kind, leaves its record orphaned: without a UID,
and otherwise as it was. It waits for an object of its name, and lets the cluster's next claimant have its layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar, TypeVarTuple

import orjson

from tenantry.model import ids, manifest, placement, status
from tenantry.model.config import ConfigSpec
from tenantry.model.errors import Code, FieldError, TenantryError
from tenantry.model.identity import Actor
from tenantry.model.kinds import BY_NAME, CONFIG, Address
from tenantry.model.manifest import Document
from tenantry.model.placement import Home
from tenantry.model.resource import API, API_VERSION, Resource, timestamp
from tenantry.services.offload import offload
from tenantry.services.resources import candidate, meaning, transactions
from tenantry.services.resources.candidate import Candidate, Writer
from tenantry.storage import departures, instance, resources, revisions
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

MANAGER = "tenantry-operator"
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The object in its cluster, and the database that its record is in: another one is neither read nor written.

    Generations are compared within one UID only. ``replaces`` is the UID of which the record is and which is no longer
    there, as the operator has seen. ``tenant_id`` is the identity by which the cluster knows a Tenant, ``tenant`` the
    name of the one whose namespace a Config lives in.
    """

    cluster: str
    instance: str
    uid: str
    generation: int = 0
    replaces: str = ""
    tenant_id: str = ""
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the API made of an object: the stored resource, and the status that it would give it."""

    resource: Resource
    revision: int
    changed: bool
    status: dict[str, Any]


class Records:
    """The records of all clusters, over one database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def instance(self, actor: Actor, cluster: str) -> str:
        """The identity of the database: what a cluster's operator asks for first, and names with each record."""
        _check_cluster(actor, cluster)
        return await self._db.run(instance.read)

    async def put(self, actor: Actor, at: Address, source: Source, document: Document) -> Record:
        """Bring the record up to the object.

        A generation that is older than the known one changes nothing, nor does an object when the record is of another
        one that it does not replace; the answer is the record as it is.

        Args:
            actor: the operator of that cluster.
            at: the object, in its own namespace.
            source: the object's identity and generation there.
            document: labels and annotations (in ``metadata``) and ``spec``.

        Raises:
            TenantryError: INVALID, MANAGED_ELSEWHERE, NAME_TOMBSTONED, WRONG_INSTANCE; CONFLICT for an object that was
                reported gone; FORBIDDEN for another cluster's operator.
        """
        _check_cluster(actor, source.cluster)
        current = await self._find(at, source)
        if current is not None and _is_late(current, source):
            return await self._record(current, changed=False)
        home = Home(namespace=at.namespace, tenant=source.tenant, platform=actor.namespace)
        texts = current.texts if current else ()
        new = await offload([document, *texts], _candidate, at, source, document, current, home)
        if _is_known(new):
            return await self._record(new.resource, changed=False)
        action = "update" if current else "create"
        stored = await self._run(source, _put, actor, source, new, action, write=True)
        return await self._record(stored, changed=True)

    async def put_status(self, actor: Actor, at: Address, source: Source, status: Any) -> bool:
        """Store the status that the operator gives the object; False when nothing changed or it is of an old one."""
        _check_cluster(actor, source.cluster)
        current = await self._find(at, source)
        if current is None or current.source_uid != source.uid:
            raise _unknown(at, source)
        if source.generation < current.source_generation:
            return False
        new = await offload([status, *current.texts], _with_status, at, current, status)
        if new.unchanged:
            return False
        await self._run(source, transactions.put, actor, new, "status", write=True)
        return True

    async def delete(self, actor: Actor, at: Address, source: Source) -> None:
        """Remove the record of an object that is being deleted; a Tenant leaves a tombstone.

        Raises:
            TenantryError: NOT_FOUND, CONFLICT when the record is of another object, IN_USE for a Plan with tenants.
        """
        _check_cluster(actor, source.cluster)
        current = await self._find(at, source)
        if current is not None and current.source_uid != source.uid:
            message = f"the record is of the object {current.source_uid}, not of {source.uid}"
            raise TenantryError(Code.CONFLICT, message, kind=at.kind.name, name=at.name)
        await self._run(source, _remove, actor, source, current, write=True)
        if current is None:
            raise _unknown(at, source)

    async def orphan(self, actor: Actor, at: Address, source: Source) -> None:
        """Keep the record of an object that goes without being deleted.

        Raises:
            TenantryError: NOT_FOUND when there is no record of that object.
        """
        _check_cluster(actor, source.cluster)
        current = await self._find(at, source)
        known = current if current and current.source_uid == source.uid else None
        await self._run(source, _orphan, actor, source, known, write=True)
        if known is None:
            raise _unknown(at, source)

    async def _find(self, at: Address, source: Source) -> Resource | None:
        """The living resource of that name, which must be this cluster's."""
        namespace = f"{source.cluster}.{at.namespace}" if at.kind.namespaced else ""
        found = await self._run(source, resources.get, at.kind.name, namespace, at.name)
        if found is not None and found.managed_by != source.cluster:
            owner = "the API" if found.managed_by == API else f'cluster "{found.managed_by}"'
            raise TenantryError(
                Code.MANAGED_ELSEWHERE,
                f"{at.kind.name} {at.name} is managed by {owner}: change it there, or choose another name",
                kind=at.kind.name,
                name=at.name,
            )
        return found

    async def _record(self, resource: Resource, *, changed: bool) -> Record:
        revision, status = await self._db.run(_assess, resource, ids.now_micros())
        return Record(resource=resource, revision=revision, changed=changed, status=status)

    async def _run(self, source: Source, fn: Callable[[Unit, *Ts], T], *args: *Ts, write: bool = False) -> T:
        """What ``fn(unit, *args)`` returns, from the database that the operator means and from no other."""

        def run(unit: Unit) -> T:
            found = instance.read(unit)
            if found != source.instance:
                message = f'this database is {found}, and the records of cluster "{source.cluster}" are in'
                raise TenantryError(Code.WRONG_INSTANCE, f"{message} {source.instance}; nothing was written")
            return fn(unit, *args)

        return await self._db.run(run, write=write)


def _is_late(current: Resource, source: Source) -> bool:
    """Whether the record knows better than a message about ``source``."""
    if current.source_uid == source.uid:
        return source.generation < current.source_generation
    return current.source_uid != source.replaces


def _put(unit: Unit, actor: Actor, source: Source, new: Candidate, action: str) -> Resource:
    if departures.knows(unit, source.cluster, source.uid):
        message = f"the object {source.uid} was reported gone; should it be there again, this passes within the hour"
        raise TenantryError(Code.CONFLICT, message, kind=new.kind.name, name=new.resource.name)
    if new.current is not None and new.current.source_uid not in {"", source.uid}:
        departures.add(unit, source.cluster, new.current.source_uid, new.resource.updated_at)
    return transactions.put(unit, actor, new, action)


def _remove(unit: Unit, actor: Actor, source: Source, current: Resource | None) -> None:
    now = ids.now_micros()
    departures.add(unit, source.cluster, source.uid, now)
    if current is not None:
        transactions.remove(unit, actor, current, now)


def _orphan(unit: Unit, actor: Actor, source: Source, current: Resource | None) -> None:
    now = ids.now_micros()
    departures.add(unit, source.cluster, source.uid, now)
    if current is not None:
        kind = BY_NAME[current.kind]
        orphaned = replace(current, source_uid="", source_generation=0, updated_at=now)
        resource = candidate.with_status(
            kind, orphaned, status.orphaned(orjson.loads(current.status), now=timestamp(now))
        )
        transactions.orphan(unit, actor, candidate.beside_spec(kind, resource, current))


def _assess(unit: Unit, resource: Resource, now: int) -> tuple[int, dict[str, Any]]:
    return revisions.latest(unit, (*resource.key, resource.tenant_id)), meaning.assess(unit, resource, now)


def _with_status(at: Address, current: Resource, sent: Any) -> Candidate:
    parsed = manifest.parse_status(at.kind, sent)
    if isinstance(parsed, list):
        raise candidate.invalid(at.kind, at.name, parsed)
    resource = candidate.with_status(at.kind, replace(current, updated_at=ids.now_micros()), parsed)
    return candidate.beside_spec(at.kind, candidate.fit(at.kind, resource, current, tracked=False), current)


def _candidate(at: Address, source: Source, document: Document, current: Resource | None, home: Home) -> Candidate:
    """The record as it would be stored: a document like any other, but for where it lives and whose it is."""
    namespace = {"namespace": at.namespace} if at.kind.namespaced else {}
    metadata = {**document.get("metadata", {}), "name": at.name, **namespace}
    whole = {"apiVersion": API_VERSION, "kind": at.kind.name, "metadata": metadata, "spec": document.get("spec")}
    renews = current is not None and current.source_uid != source.uid
    writer = Writer(manager=MANAGER, now=ids.now_micros(), owner=source.cluster, validation="Strict", renews=renews)
    if current is None:
        new = candidate.create(at.kind, whole, at.namespace, writer)
        new = replace(new, resource=replace(new.resource, tenant_id=source.tenant_id))
    else:
        new = candidate.update(at.kind, whole, replace(current, namespace=at.namespace), writer)
    resource = replace(
        new.resource,
        namespace=f"{source.cluster}.{at.namespace}" if at.kind.namespaced else "",
        source_uid=source.uid,
        source_generation=source.generation,
    )
    if at.kind is CONFIG and (wrong := _misplaced(resource, home)):
        raise candidate.invalid(at.kind, at.name, [wrong])
    return replace(new, resource=resource, current=current)


def _misplaced(resource: Resource, home: Home) -> FieldError | None:
    """Why a Config may not live where it does; the operator's own namespace is the platform's."""
    return placement.problem(ConfigSpec.model_validate(orjson.loads(resource.spec)), home)


def _is_known(new: Candidate) -> bool:
    """Whether the record says all of it already, the object's UID and generation too."""
    old, resource = new.current, new.resource
    return (
        old is not None
        and new.unchanged
        and (old.source_uid, old.source_generation) == (resource.source_uid, resource.source_generation)
    )


def _check_cluster(actor: Actor, cluster: str) -> None:
    if actor.cluster != cluster:
        raise TenantryError(
            Code.FORBIDDEN, f"{actor.name} is not the operator of cluster {cluster}: its token is from another one"
        )


def _unknown(at: Address, source: Source) -> TenantryError:
    message = f"cluster {source.cluster} has no record of {at.kind.name} {at.name} with UID {source.uid}"
    return TenantryError(Code.NOT_FOUND, message, kind=at.kind.name, name=at.name)
