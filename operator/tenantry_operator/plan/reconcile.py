"""One Plan: its record in the API, its status, and the tenants on it that a change is told to."""

from __future__ import annotations

from typing import Any

from tenantry.client.records import Record
from tenantry.model.errors import TenantryError
from tenantry.model.status import Check
from tenantry_operator import conditions, finalizer, reporting
from tenantry_operator.errors import Again, judge, soonest
from tenantry_operator.kube import PLANS
from tenantry_operator.objects import Key, Object
from tenantry_operator.wiring import Result, Services

Document = dict[str, Any]


async def reconcile(services: Services, key: Key) -> Result:
    """Make the record equal to the Plan, and let those who depend on it know."""
    plan = services.cache.read(key)
    if plan is None:
        services.ledger.forget(key)
        return Result()
    if plan.is_deleting:
        return Result(await _tear_down(services, plan))
    await finalizer.keep(services, plan)
    services.ledger.expire(key)  # how many tenants are on it, nobody tells us
    try:
        record = await services.ledger.sync(plan)
    except TenantryError as error:
        again = judge(error).again
        if again is Again.SOON and plan.is_observed:
            return Result(again)  # an outage says nothing about a plan that is in effect
        failed = Check("Ready", ok=False, reason=judge(error).reason, message=error.message)
        return Result(soonest(again, await _report(services, plan, [failed], again)))
    again = await _report(services, plan, conditions.from_api(record.conditions), Again.NEVER, record)
    return Result(again, then=_behind(services, key, record))


def _behind(services: Services, key: Key, record: Record) -> tuple[Key, ...]:
    """The tenants that have not heard of this revision of the plan; one that is leaving need not."""
    behind = []
    for tenant in services.cache.tenants_on(key.name):
        known = services.ledger.known(tenant)
        if known is not None and (known.plan or {}).get("revision") == record.revision:
            continue
        stored = services.cache.read(tenant)
        if stored is not None and not stored.is_deleting:
            services.ledger.expire(tenant)
            behind.append(tenant)
    return tuple(behind)


async def _tear_down(services: Services, plan: Object) -> Again:
    """Give the record back, unless tenants still need it; a Plan that is going still resolves."""
    if finalizer.FINALIZER not in plan.finalizers:
        return Again.NEVER
    if await finalizer.is_kind_going(services, PLANS):
        await finalizer.orphan(services, plan)
    else:
        try:
            await services.ledger.withdraw(plan)
        except TenantryError as error:
            verdict = judge(error)
            blocked = Check("DeletionBlocked", ok=True, reason=verdict.reason, message=error.message)
            checks = [*conditions.from_status(plan.status, ["Ready"]), blocked]
            return soonest(verdict.again, await _report(services, plan, checks, verdict.again))
    await finalizer.drop(services, plan)
    return Again.NEVER


async def _report(
    services: Services, plan: Object, checks: list[Check], again: Again, record: Record | None = None
) -> Again:
    new: Document = {name: plan.status[name] for name in ("revision", "tenants") if name in plan.status}
    new |= {"observedGeneration": plan.generation, "conditions": conditions.compose(checks, again, plan)}
    if record:
        new |= {"revision": record.revision, "tenants": record.tenants}
    return await reporting.write(services, plan, new, recorded=record is not None)
