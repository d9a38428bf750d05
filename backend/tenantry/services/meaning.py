"""What an object means beside the others, inside the write unit: claims, plan, status, and who else is touched.

Each function runs in a database thread, in the unit that stores the object. What a write means for *other* objects is
only queued there (``storage.work``); one leased worker does it within a second.
"""

from __future__ import annotations

from typing import Any

import orjson

from tenantry.model import canonical, status
from tenantry.model.config import ConfigSpec
from tenantry.model.kinds import BY_NAME, PLAN, TENANT
from tenantry.model.plan import PlanSpec
from tenantry.model.resource import API, Resource, timestamp
from tenantry.model.tenant import TenantSpec
from tenantry.services import candidate
from tenantry.storage import claims, resources, revisions, work
from tenantry.storage.unit import Unit

HOSTNAME = "hostname"
LAYER = "layer"


def evaluate(unit: Unit, resource: Resource, revision: int, now: int) -> Resource:
    """``resource`` with its claims made and, where the API keeps it, its status computed.

    Args:
        unit: the write unit.
        resource: the object as it will be stored.
        revision: the number of its spec's revision.
        now: epoch microseconds.
    """
    kind = BY_NAME[resource.kind]
    spec = kind.spec.model_validate(orjson.loads(resource.spec))
    old = orjson.loads(resource.status)
    if isinstance(spec, TenantSpec):
        computed = _tenant(unit, resource, spec, old, now)
    elif isinstance(spec, ConfigSpec):
        computed = _config(unit, resource, spec, old, revision=revision, now=now)
    else:
        computed = status.plan(
            tenants=resources.count(unit, TENANT.name, plan=resource.name),
            revision=revision,
            generation=resource.generation,
            old=old,
            now=timestamp(now),
        )
    if resource.managed_by != API:
        return resource
    return candidate.with_status(kind, resource, computed)


def release(unit: Unit, resource: Resource, now: int) -> None:
    """Give back what a deleted object held, and let those who waited for it try again."""
    work.add(unit, work.STATUS, list(claims.release_all(unit, resource.uid)), now)


def touch_others(unit: Unit, old: Resource | None, new: Resource | None, now: int) -> None:
    """Queue the objects whose status follows from this write.

    A plan's edit, creation or deletion reaches the tenants on it; a tenant that comes, goes or moves changes the count
    of its plans.
    """
    some = new or old
    if some is None:
        return
    if some.kind == PLAN.name:
        if old is None or new is None or old.spec != new.spec:
            work.add_users_of_plan(unit, some.name, now)
    elif some.kind == TENANT.name:
        before, after = (old.plan if old else ""), (new.plan if new else "")
        names = sorted({before, after} - {""}) if before != after else ()
        plans = [resources.get(unit, PLAN.name, "", name) for name in names]
        work.add(unit, work.STATUS, [plan.uid for plan in plans if plan], now)


def _tenant(unit: Unit, resource: Resource, spec: TenantSpec, old: dict[str, Any], now: int) -> dict[str, Any]:
    lost: set[str] = set()
    if spec.hostnames or old.get("hostnames"):
        lost, waiters = claims.settle(unit, HOSTNAME, set(spec.hostnames or ()), resource.uid)
        work.add(unit, work.STATUS, list(waiters), now)
    plan = resources.get(unit, PLAN.name, "", spec.plan_ref.name)
    plan_spec = PlanSpec.model_validate(orjson.loads(plan.spec)) if plan else None
    return status.tenant(
        spec,
        plan_spec,
        lost,
        tenant_id=resource.tenant_id,
        plan_revision=revisions.latest(unit, (*plan.key, plan.tenant_id)) if plan else 0,
        generation=resource.generation,
        old=old,
        now=timestamp(now),
    )


def _config(  # noqa: PLR0913 - all that is known
    unit: Unit, resource: Resource, spec: ConfigSpec, old: dict[str, Any], *, revision: int, now: int
) -> dict[str, Any]:
    lost, _ = claims.settle(unit, LAYER, {spec.layer()}, resource.uid)
    owner = ""
    if lost:
        holder = resources.get_by_uid(unit, claims.find_owner(unit, LAYER, spec.layer()) or "")
        owner = f"{holder.namespace}/{holder.name}" if holder else "another"
    return status.config(
        spec,
        len(resource.spec.encode()),
        owner,
        revision=revision,
        checksum=canonical.checksum(resource.spec),
        generation=resource.generation,
        old=old,
        now=timestamp(now),
    )
