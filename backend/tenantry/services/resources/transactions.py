"""The units of the resource API: what runs in a database thread, each function inside one transaction.

They store what ``candidate.py`` has computed, with everything that must be true at the same moment: claims, status,
revision, tombstone and audit row, and the clock last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import orjson

from tenantry.model import canonical, ids
from tenantry.model.audit import AuditEvent
from tenantry.model.config import ConfigSpec
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor
from tenantry.model.kinds import BY_NAME, PLAN, TENANT, Kind
from tenantry.model.resource import API, Change, Resource, Revision, Tombstone, Verb, timestamp
from tenantry.model.selectors import EVERYTHING, Operator, Requirement, Selector
from tenantry.model.tenant import TenantSpec
from tenantry.services.audit.log import event
from tenantry.services.resources import meaning
from tenantry.services.resources.candidate import Candidate
from tenantry.storage import changes, claims, resources, revisions, tombstones, work
from tenantry.storage.changes import PendingChange
from tenantry.storage.unit import Unit

#: what is written in the unit of a write: it gets the object as it was, None if it is new, and as it is
Beside = Callable[[Unit, Resource | None, Resource], None]

_ALL = 2**31
#: tenants that a Plan with more of them names when it cannot be deleted
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Stored:
    """What a write came to, and where that is another thing than was asked for, which: "brought back; ..."."""

    resource: Resource
    instead: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What a list asks for."""

    kind: Kind
    namespace: str | None = None  # None: all
    labels: Selector = EVERYTHING
    fields: Selector = EVERYTHING
    limit: int = 0  # 0: all
    after: tuple[str, str] | None = None  # (namespace, name) of the last object seen
    since: int = 0  # on a further page: the seq of the first one
    exact: int | None = None  # the state as of this seq and no other


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a list: the first one is the state as of ``seq``, further ones are at least as new."""

    items: list[Resource]
    seq: int
    more: bool = False


def is_visible(tenant_id: str, some: Resource | Change) -> bool:
    """Whether an actor that is bound to ``tenant_id``, or to none, may know of the object.

    A tenant's own credential sees its own Tenant and nothing else. It goes by the identity: a name may become another
    tenant's.
    """
    return not tenant_id or (some.kind == TENANT.name and tenant_id == some.tenant_id)


def page(unit: Unit, actor: Actor, query: Query) -> Page:
    """One page of a list; the unit must read a snapshot, so that the clock belongs to the rows.

    Raises:
        TenantryError: EXPIRED when no watch from the first page on could tell what has changed since.
    """
    if query.since and query.since < changes.compacted_to(unit):
        raise TenantryError(Code.EXPIRED, "the page before is older than the change log")
    seq = query.since or changes.current_seq(unit)
    if query.exact not in (None, seq):
        raise TenantryError(Code.EXPIRED, f"the state at resource version {query.exact} is no longer kept")
    found = resources.page(
        unit,
        query.kind.name,
        namespace=query.namespace,
        labels=query.labels,
        fields=_visible_fields(unit, actor, query),
        after=query.after,
        limit=query.limit + 1 if query.limit else _ALL,
    )
    if not query.limit or len(found) <= query.limit:
        return Page(items=found, seq=seq)
    return Page(items=found[: query.limit], seq=seq, more=True)


def _visible_fields(unit: Unit, actor: Actor, query: Query) -> Selector:
    """The field selector of ``query``, narrowed to the name that the actor's own Tenant has at this moment."""
    if not actor.tenant_id:
        return query.fields
    name = resources.tenant_name(unit, actor.tenant_id) if query.kind is TENANT else None
    return Selector((*query.fields.requirements, Requirement("metadata.name", Operator.IN, (name or "",))))


def check_storable(unit: Unit, new: Candidate) -> Stored:
    """What a dry run can learn from the database: whether the name of a new object is free, or brings one back."""
    resource = new.resource
    if new.current is not None:
        return Stored(resource)
    if resources.get(unit, *resource.key):
        raise _exists(new.kind, resource.name)
    buried = _check_tombstone(unit, resource, ids.now_micros()) if new.kind is TENANT else None
    return Stored(resource, _return_of(buried) if buried else "")


def check_deletable(unit: Unit, kind: Kind, current: Resource) -> None:
    """Refuse to delete a Plan that tenants are on."""
    if kind is PLAN:
        named = resources.names(unit, TENANT.name, plan=current.name, limit=_NAMED)
        if named:
            more = resources.count(unit, TENANT.name, plan=current.name) - len(named)
            told = ", ".join(named) + (f" and {more} more" if more > 0 else "")
            raise TenantryError(
                Code.IN_USE,
                f"tenants on this plan: {told}; move them to another plan first",
                kind=kind.name,
                name=current.name,
            )


def put(unit: Unit, actor: Actor, new: Candidate, action: str, beside: Beside | None = None) -> Resource:
    """Store a candidate: row, claims, revision, audit, what is written ``beside`` it, and the clock last."""
    return store(unit, actor, new, action, beside).resource


def store(unit: Unit, actor: Actor, new: Candidate, action: str, beside: Beside | None = None) -> Stored:
    """As :func:`put`, and say when another thing was done than ``action``."""
    change = stage(unit, actor, new, action)
    if beside:
        beside(unit, new.current, change.resource)
    (stored,) = changes.commit(unit, [change])
    return Stored(stored, change.audit.message if change.audit and change.audit.action != action else "")


def stage(unit: Unit, actor: Actor, new: Candidate, action: str) -> PendingChange:
    """As :func:`put`, among other changes of the unit: what is to be committed."""
    resource, current, message = new.resource, new.current, new.message
    if current is None:
        resource, buried = _identify(unit, resource)
        if buried:
            action, message = "undelete", _return_of(buried)
    if new.typed is not None:
        resource = meaning.evaluate(unit, resource, new.typed, resource.updated_at, publishes=new.spec_changed)
    if current is None:
        resources.insert(unit, resource, new.labels)
    else:
        resources.update(unit, resource, current.seq, new.labels if new.labels != new.prev_labels else None)
    if new.spec_changed:
        revisions.append(unit, _revision(resource, actor, message))
        if isinstance(new.typed, ConfigSpec):
            revisions.prune(unit, (*resource.key, resource.tenant_id), new.typed.revision_history_limit)
    meaning.touch_others(unit, current, resource, resource.updated_at)
    return PendingChange(
        resource=resource,
        verb=Verb.MODIFIED if current else Verb.ADDED,
        prev_labels=new.prev_labels,
        at=resource.updated_at,
        audit=_audit(actor, action, resource, message, new.difference or "{}"),
    )


def remove(unit: Unit, actor: Actor, current: Resource, now: int) -> None:
    """Delete a row for good; watchers see it go as it was, and a Tenant leaves a tombstone."""
    changes.commit(unit, [withdraw(unit, actor, current, now)])


def orphan(unit: Unit, actor: Actor, new: Candidate) -> None:
    """Store the record of an object that went without being deleted, and look for who may have its layer."""
    uid = new.resource.uid
    work.add(unit, work.STATUS, sorted({uid} | claims.find_waiters(unit, uid)), new.resource.updated_at)
    put(unit, actor, new, "orphan")


def withdraw(unit: Unit, actor: Actor, current: Resource, now: int, message: str = "") -> PendingChange:
    """As :func:`remove`, among other changes of the unit; ``message`` says why, where nobody has asked for it."""
    resources.delete(unit, current, current.seq)
    if current.kind == PLAN.name:
        # a tenant that comes to the plan writes this row too: either unit waits for the other, and so none is missed
        work.add(unit, work.STATUS, [current.uid], now)
    check_deletable(unit, BY_NAME[current.kind], current)
    meaning.release(unit, current, now)
    if current.kind == TENANT.name:
        tombstones.put(unit, _tombstone(current, now))
    meaning.touch_others(unit, current, None, now)
    return PendingChange(
        resource=replace(current, updated_at=now),
        verb=Verb.DELETED,
        prev_labels=current.labels(),
        at=now,
        audit=_audit(actor, "delete", current, message),
    )


def _identify(unit: Unit, resource: Resource) -> tuple[Resource, Tombstone | None]:
    """Give a new object its identity: that of the tenant which had the name, or by which its cluster knows it.

    With the tombstone that the tenant has left by which it is brought back. An undelete names the identity that it
    brings back; a cluster the one that it prefers.
    """
    if resource.kind != TENANT.name:
        return replace(resource, tenant_id=""), None
    buried = _check_tombstone(unit, resource, resource.created_at)
    is_undelete = resource.managed_by == API and resource.tenant_id != ""
    if buried is None and not is_undelete:
        is_free = resource.tenant_id and not _is_taken(unit, resource.tenant_id) and _claim_identity(unit, resource)
        return replace(resource, tenant_id=resource.tenant_id if is_free else ids.uuid7()), None
    is_another = buried is None or (is_undelete and resource.tenant_id != buried.tenant_id)
    if buried is not None and not is_another:
        resource = replace(resource, tenant_id=buried.tenant_id)
        if _claim_identity(unit, resource) and tombstones.remove(unit, buried):
            return resource, buried
    raise TenantryError(
        Code.CONFLICT, "its tombstone went meanwhile; try again", kind=TENANT.name, name=resource.name, raced=True
    )


def _return_of(buried: Tombstone) -> str:
    """What there is to tell of a tenant that is brought back."""
    return f"brought back; it was deleted at {timestamp(buried.deleted_at)}"


def _is_taken(unit: Unit, tenant_id: str) -> bool:
    return resources.tenant_name(unit, tenant_id) is not None or tombstones.keeps(unit, tenant_id)


def _claim_identity(unit: Unit, resource: Resource) -> bool:
    """Whether the tenant has its identity to itself: two may ask for one that is not new at the same moment."""
    return claims.claim(unit, meaning.IDENTITY, resource.tenant_id, resource.uid) == resource.uid


def _check_tombstone(unit: Unit, resource: Resource, now: int) -> Tombstone | None:
    buried = tombstones.get(unit, resource.name)
    if buried is None:
        return None
    if buried.managed_by == resource.managed_by and buried.purge_at > now:
        return buried
    owner = "the API" if buried.managed_by == API else f'cluster "{buried.managed_by}"'
    advice = (
        f"it belonged to a tenant of {owner}, which alone can bring it back until its purge"
        if buried.purge_at > now
        else "its tenant was purged; a platform administrator can release the name"
    )
    raise TenantryError(
        Code.NAME_TOMBSTONED,
        f"the name is kept: {advice}",
        kind=TENANT.name,
        name=resource.name,
    )


def _exists(kind: Kind, name: str) -> TenantryError:
    return TenantryError(Code.ALREADY_EXISTS, f'{kind.name} "{name}" already exists', kind=kind.name, name=name)


def _revision(resource: Resource, actor: Actor, message: str) -> Revision:
    return Revision(
        kind=resource.kind,
        namespace=resource.namespace,
        name=resource.name,
        tenant_id=resource.tenant_id,
        generation=resource.generation,
        doc=resource.spec,
        checksum=canonical.checksum(resource.spec),
        author=actor.name,
        message=message,
        created_at=resource.updated_at,
    )


def _tombstone(current: Resource, now: int) -> Tombstone:
    meta = current.meta_dict()
    kept = {key: meta[key] for key in ("labels", "annotations", "managedFields") if key in meta}
    spec = TenantSpec.model_validate(orjson.loads(current.spec))
    return Tombstone(
        slug=current.name,
        tenant_id=current.tenant_id,
        managed_by=current.managed_by,
        last_doc=canonical.dumps({"metadata": kept, "spec": orjson.loads(current.spec)}),
        deleted_at=now,
        purge_at=now + spec.purge_after_micros(),
    )


def _audit(actor: Actor, action: str, some: Resource, message: str = "", difference: str = "{}") -> AuditEvent:
    return event(
        actor,
        action,
        some.kind,
        some.name,
        at=ids.now_micros(),
        namespace=some.namespace,
        tenant_id=some.tenant_id,
        message=message,
        diff=difference,
    )
