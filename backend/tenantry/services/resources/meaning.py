"""What an object means beside the others, inside the write unit: claims, plan, status, and who else is touched.

Each function runs in a database thread, in the unit that stores the object. What a write means for *other* objects is
only queued there (``storage.work``); one leased worker does it within a second.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import orjson

from tenantry.model import canonical, placement, status
from tenantry.model.config import ConfigSpec
from tenantry.model.errors import FieldError
from tenantry.model.fields import Model
from tenantry.model.kinds import BY_NAME, CONFIG, PLAN, TENANT
from tenantry.model.names import PLATFORM_NAMESPACE
from tenantry.model.placement import Home
from tenantry.model.plan import PlanSpec
from tenantry.model.resource import API, Resource, timestamp
from tenantry.model.tenant import TenantSpec
from tenantry.services.resources import candidate
from tenantry.storage import claims, resources, revisions, work
from tenantry.storage.unit import Unit

HOSTNAME = "hostname"
LAYER = "layer"
IDENTITY = "identity"


def evaluate(unit: Unit, resource: Resource, spec: Model, now: int, *, publishes: bool = False) -> Resource:
    """``resource`` with its claims made and, where the API keeps it, its status computed.

    Args:
        unit: the write unit.
        resource: the object as it will be stored.
        spec: its spec.
        now: epoch microseconds.
        publishes: whether its spec is about to become its next revision.
    """
    old = orjson.loads(resource.status)
    lost = _settle(unit, resource, spec, old, now)
    if resource.managed_by != API:
        return resource
    return candidate.with_status(
        BY_NAME[resource.kind], resource, _assess(unit, resource, spec, lost=lost, publishes=publishes, now=now)
    )


def assess(unit: Unit, resource: Resource, now: int) -> dict[str, Any]:
    """The status that the API would give a stored object; it is what a cluster's operator is told about its own."""
    spec = BY_NAME[resource.kind].spec.model_validate(orjson.loads(resource.spec))
    kind, values = _claimed(resource, spec)
    lost = {value for value in values if claims.find_owner(unit, kind, value) != resource.uid}
    return _assess(unit, resource, spec, lost=lost, publishes=False, now=now)


def _claimed(resource: Resource, spec: Model) -> tuple[str, set[str]]:
    """The kind of claim that an object makes, and the values; a layer in the wrong place claims nothing."""
    if isinstance(spec, TenantSpec):
        return HOSTNAME, set(spec.hostnames or ())
    return LAYER, {spec.layer()} if isinstance(spec, ConfigSpec) and not _misplaced(resource, spec) else set()


def _misplaced(resource: Resource, spec: ConfigSpec) -> FieldError | None:
    """Why a layer may not live where it does; a cluster's record was checked when it came.

    The API has no namespaces of tenants: any may be that of a layer's tenant.
    """
    if resource.managed_by != API:
        return None
    tenant = spec.scope.tenant.ref if spec.scope.tenant else ""
    home = Home(namespace=resource.namespace, tenant=tenant, platform=PLATFORM_NAMESPACE)
    return placement.problem(spec, home)


def _settle(unit: Unit, resource: Resource, spec: Model, old: dict[str, Any], now: int) -> set[str]:
    """Make the claims of ``spec`` and return those that others hold; no query where nothing can have changed."""
    kind, values = _claimed(resource, spec)
    known = {entry["host"]: entry["state"] for entry in old.get("hostnames", ())}
    if resource.managed_by == API and _holds_already(kind, values, known, old):
        return set()
    if kind == LAYER:
        _free_from_orphans(unit, resource, values, now)
    lost, waiters = claims.settle(unit, kind, values, resource.uid)
    work.add(unit, work.STATUS, list(waiters), now)
    return lost


def _free_from_orphans(unit: Unit, resource: Resource, layers: set[str], now: int) -> None:
    """Let an object have the layers that orphans of its own cluster hold; those are looked at next."""
    for layer in layers:
        owner = claims.find_owner(unit, LAYER, layer)
        if owner is None or resource.managed_by == API or resource.is_orphaned:
            continue
        holder = resources.get_by_uid(unit, owner)
        if holder and holder.is_orphaned and holder.managed_by == resource.managed_by:
            claims.release(unit, LAYER, layer, owner)
            work.add(unit, work.STATUS, [owner], now)


def is_left_over(unit: Unit, resource: Resource) -> bool:
    """Whether it is an orphaned layer that nobody comes back for: another object has it, or its tenant is gone."""
    if resource.kind != CONFIG.name or not resource.is_orphaned:
        return False
    spec = ConfigSpec.model_validate(orjson.loads(resource.spec))
    scope, ref = spec.scope.layer()
    is_without_tenant = scope == "tenant" and resources.get(unit, TENANT.name, "", ref) is None
    return is_without_tenant or claims.find_owner(unit, LAYER, spec.layer()) != resource.uid


def _holds_already(kind: str, values: set[str], known: dict[str, str], old: dict[str, Any]) -> bool:
    if kind == LAYER:
        return not values or "revision" in old  # a layer cannot change, and one that was published is held
    return known.keys() == values and "Conflict" not in known.values()


def _assess(  # noqa: PLR0913 - all that is known
    unit: Unit, resource: Resource, spec: Model, *, lost: set[str], publishes: bool, now: int
) -> dict[str, Any]:
    old, time = orjson.loads(resource.status), timestamp(now)
    if isinstance(spec, TenantSpec):
        plan = resources.known(unit, PLAN.name, "", spec.plan_ref.name)
        return status.tenant(
            spec,
            _plan_spec(plan.spec) if plan else None,
            lost,
            tenant_id=resource.tenant_id,
            plan_revision=_revision_of(unit, plan) if plan else 0,
            generation=resource.generation,
            old=old,
            now=time,
        )
    revision = revisions.latest(unit, (*resource.key, resource.tenant_id)) + publishes
    if isinstance(spec, ConfigSpec):
        return status.config(
            spec,
            len(resource.spec.encode()),
            _holder(unit, resource, spec) if lost else "",
            misplaced=_misplaced(resource, spec),
            revision=revision,
            checksum=canonical.checksum(resource.spec),
            generation=resource.generation,
            old=old,
            now=time,
        )
    tenants = resources.count(unit, TENANT.name, plan=resource.name)
    return status.plan(tenants=tenants, revision=revision, generation=resource.generation, old=old, now=time)


@lru_cache(maxsize=64)
def _plan_spec(text: str) -> PlanSpec:
    """The spec of a plan, which a write of every Tenant on it looks at and none changes."""
    return PlanSpec.from_json(text)


def _revision_of(unit: Unit, plan: Resource) -> int:
    """The plan's revision: its status has it, unless that is a cluster's, which comes later."""
    known = orjson.loads(plan.status).get("revision") if plan.managed_by == API else None
    return known if isinstance(known, int) else revisions.latest(unit, (*plan.key, plan.tenant_id))


def _holder(unit: Unit, resource: Resource, spec: ConfigSpec) -> str:
    """Who has the layer of ``resource``, as who manages that calls it."""
    holder = resources.get_by_uid(unit, claims.find_owner(unit, LAYER, spec.layer()) or "")
    if holder is None:
        return "another"
    name = f"{holder.namespace.removeprefix(f'{holder.managed_by}.')}/{holder.name}"
    if holder.managed_by == resource.managed_by:
        return name
    owner = "the API" if holder.managed_by == API else f'cluster "{holder.managed_by}"'
    return f"{name} of {owner}"


def release(unit: Unit, resource: Resource, now: int) -> None:
    """Give back what a deleted object held, and let those who waited for it try again."""
    work.add(unit, work.STATUS, list(claims.release_all(unit, resource.uid)), now)


def touch_others(unit: Unit, old: Resource | None, new: Resource | None, now: int) -> None:
    """Queue the objects whose status follows from this write.

    A plan's edit, creation or deletion reaches the tenants on it; a tenant that comes, goes or moves changes the count
    of its plans. It is looked at again itself, because its plan may be changing at this moment. The orphaned layers of
    a cluster's tenant go with it. Whom a tenant invites is looked at when its list changes, or who may be invited.
    """
    some = new or old
    if some is None:
        return
    if some.kind == PLAN.name:
        if old is None or new is None or old.spec != new.spec:
            work.add(unit, work.USERS, [some.name], now)
    elif some.kind == TENANT.name:
        before, after = (old.plan if old else ""), (new.plan if new else "")
        if before != after:
            plans = [resources.get(unit, PLAN.name, "", name) for name in sorted({before, after} - {""})]
            counted = [plan.uid for plan in plans if plan]
            work.add(unit, work.STATUS, [*counted, new.uid] if new else counted, now)
        if new and (old is None or old.spec != new.spec) and _invites(old) != _invites(new):
            work.add(unit, work.ADMINS, [new.uid], now)
        if new is None and some.managed_by != API:
            work.add(unit, work.STATUS, claims.find_holders(unit, LAYER, f"/tenant/{some.name}"), now)


def _invites(tenant: Resource | None) -> tuple[list[str], str]:
    """The first administrators of a tenant, and the state by which they are invited or not; nothing without any."""
    spec = orjson.loads(tenant.spec) if tenant and '"admins"' in tenant.spec else {}
    return (spec["admins"], spec.get("state", "")) if spec.get("admins") else ([], "")
