"""One Tenant: look at it as it is now, and make the cluster and the API agree with it.

The order matters: the record first, because it wins the name and the hostnames and gives the tenant its identity;
then per namespace what restrains it before anybody may act in it; then what is not wanted any more; the status last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tenantry.client.records import Record
from tenantry.model import allowance, names
from tenantry.model.errors import Code, TenantryError
from tenantry.model.plan import PlanSpec
from tenantry.model.status import Check
from tenantry.model.tenant import TenantNamespace, TenantSpec
from tenantry_operator import conditions, finalizer, reporting
from tenantry_operator.errors import Again, KubeError, judge, soonest
from tenantry_operator.kube import LIMITS, NAMESPACES, QUOTAS, Resource
from tenantry_operator.objects import Key, Object, plan_key
from tenantry_operator.specs import SpecError, read_spec
from tenantry_operator.tenant import children, limits, namespace, quota, status, teardown
from tenantry_operator.tenant.namespace import Claim, Place
from tenantry_operator.tenant.status import Outcome
from tenantry_operator.tenant.teardown import BlockedError
from tenantry_operator.wiring import Result, Services

Document = dict[str, Any]
PRESENT, DELETED = "Present", "Deleted"


async def reconcile(services: Services, key: Key) -> Result:
    """Make everything equal to what the Tenant wants."""
    tenant = services.cache.read(key)
    if tenant is None:
        services.ledger.forget(key)
        return Result()
    if not tenant.is_deleting:
        return await _serve(services, tenant)
    try:
        return Result(await teardown.tear_down(services, tenant), later=_plans_of(tenant))
    except BlockedError as error:
        return await _serve(services, tenant, error)


async def _serve(services: Services, tenant: Object, blocked: BlockedError | None = None) -> Result:
    """Make it so, and say so; ``blocked`` is why it may not go, if it is being deleted."""
    spec = None
    try:
        spec = read_spec(TenantSpec, tenant.document)
        await finalizer.keep(services, tenant)
        outcome = await _sync(services, tenant, spec)
    except SpecError as error:
        outcome = _stopped(Check("RecordSynced", ok=False, reason="InvalidSpec", message=str(error)), Again.NEVER)
    if blocked:
        outcome.blocked, outcome.again = blocked.check, soonest(outcome.again, blocked.again)
    if spec and outcome.waiting is None:
        await _work(services, tenant, spec, outcome)
    again = await _report(services, tenant, spec, outcome)
    is_news = outcome.record is not None and outcome.record.changed
    return Result(again, then=_newly_placed(services, tenant, outcome), later=_plans_of(tenant) if is_news else ())


async def _sync(services: Services, tenant: Object, spec: TenantSpec) -> Outcome:
    """The record, brought up to the Tenant. Without an identity nothing is made; with one, an outage stops nothing."""
    known_id = tenant.status.get("tenantID", "")
    try:
        await _sync_plan(services, spec.plan_ref.name)
        record = await services.ledger.sync(tenant)
        _check_identity(record, known_id)
    except TenantryError as error:
        verdict = judge(error)
        outcome = _stopped(Check("RecordSynced", ok=False, reason=verdict.reason, message=error.message), verdict.again)
        if known_id and verdict.again is Again.SOON:
            outcome.waiting = None
        return outcome
    outcome = Outcome(Check("RecordSynced", ok=True, reason="Synced"), record=record)
    if not all(check.ok for check in conditions.from_api(record.conditions)):
        outcome.again = Again.LATER
    return outcome


def _check_identity(record: Record, known_id: str) -> None:
    if known_id and record.tenant_id != known_id:
        message = f"the API knows this tenant as {record.tenant_id}, the cluster as {known_id}"
        raise TenantryError(Code.WRONG_INSTANCE, message)


async def _sync_plan(services: Services, name: str) -> None:
    """The plan's record before the tenant's, or the API would not find the plan of a tenant that came with it."""
    plan = services.cache.read(plan_key(name))
    if plan is None or plan.is_deleting:
        return
    try:
        await services.ledger.sync(plan)
    except TenantryError as error:
        if judge(error).again is Again.SOON:
            raise


async def _work(services: Services, tenant: Object, spec: TenantSpec, outcome: Outcome) -> None:
    """Everything in the cluster."""
    plan = services.cache.read(plan_key(spec.plan_ref.name))
    try:
        plan_spec = read_spec(PlanSpec, plan.document) if plan else None
    except SpecError as error:
        outcome.waiting = Check("", ok=False, reason="InvalidPlan", message=f"plan {spec.plan_ref.name}: {error}")
        return
    if plan_spec is None:
        message = f"plan {spec.plan_ref.name} is not in this cluster; nothing is changed without its limits"
        outcome.waiting = Check("", ok=False, reason="PlanNotFound", message=message)
        return
    work = _Work(services, tenant, spec, plan_spec, outcome)
    entries = spec.namespaces or ()
    await work.make([entry for entry in entries if entry.state == PRESENT])
    await work.let_go({names.namespace_of(tenant.key.name, entry.name): entry.state for entry in entries})


@dataclass(frozen=True, slots=True)
class _Work:
    """What is done in the cluster in one pass. One bad namespace does not stop the rest."""

    services: Services
    tenant: Object
    spec: TenantSpec
    plan: PlanSpec
    outcome: Outcome

    @property
    def name(self) -> str:
        """The tenant's name."""
        return self.tenant.key.name

    @property
    def tenant_id(self) -> str:
        """The tenant's identity."""
        record = self.outcome.record
        return record.tenant_id if record else str(self.tenant.status["tenantID"])

    async def make(self, entries: list[TenantNamespace]) -> None:
        """The namespaces that are wanted, and what restrains them."""
        percents, amounts = quota.percents(entries), allowance.effective(self.spec, self.plan)
        defaults, security = limits.effective(self.spec, self.plan), namespace.security_of(self.spec, self.plan)
        labels = namespace.labels_of(self.name, self.tenant_id)
        allowed = len(entries) if self.plan.max_namespaces is None else self.plan.max_namespaces
        for number, entry in enumerate(entries):
            name = names.namespace_of(self.name, entry.name)
            wanted = namespace.desired(self.name, self.tenant_id, entry, security)
            place = await self._place(wanted, entry, may_create=number < allowed)
            self._note(self.outcome.places, place)
            if place.reason:
                continue
            try:
                await self._restrain(QUOTAS, name, quota.desired(name, labels, amounts, percents[entry.name]))
                await self._restrain(LIMITS, name, limits.desired(name, labels, defaults))
            except KubeError as error:
                self._note(self.outcome.policies, namespace.failed(name, error, place.uid))

    async def _restrain(self, resource: Resource, namespace: str, wanted: Document | None) -> None:
        if wanted:
            await children.ensure(self.services, resource, wanted)
        else:
            await children.remove(self.services, resource, namespace, quota.NAME)

    async def _place(self, wanted: Document, entry: TenantNamespace, *, may_create: bool) -> Place:
        name = wanted["metadata"]["name"]
        claim = Claim(
            tenant=self.name,
            tenant_id=self.tenant_id,
            uids=frozenset({*self.tenant.namespace_uids, entry.adopt_uid or ""} - {""}),
        )
        try:
            return await namespace.ensure(self.services, wanted, claim, may_create=may_create)
        except KubeError as error:
            return namespace.failed(name, error)

    async def let_go(self, states: dict[str, str]) -> None:
        """Namespaces that are not wanted: deleted where the entry says so and it is surely that one, else detached."""
        recorded = self.tenant.status.get("namespaces", ())
        unwanted = [entry for entry in recorded if states.get(entry["name"]) != PRESENT]
        for place in await namespace.recover(self.services, self.tenant, self.tenant_id, unwanted):
            self._note(self.outcome.leaving, place)
        for name, child in namespace.held(self.services.cache, self.name, self.tenant_id).items():
            if states.get(name) == PRESENT:
                continue
            try:
                if states.get(name) == DELETED and child.uid in self.tenant.namespace_uids:
                    await children.remove(self.services, NAMESPACES, "", name)
                    self._note(self.outcome.leaving, namespace.leaving(name, child))
                else:
                    await namespace.detach(self.services, name, self.name)
            except KubeError as error:
                self._note(self.outcome.leaving, namespace.failed(name, error, child.uid))

    def _note(self, places: list[Place], place: Place) -> None:
        places.append(place)
        self.outcome.again = soonest(self.outcome.again, place.again)


async def _report(services: Services, tenant: Object, spec: TenantSpec | None, outcome: Outcome) -> Again:
    new = status.compute(tenant, spec, outcome)
    return soonest(outcome.again, await reporting.write(services, tenant, new, recorded=outcome.record is not None))


def _stopped(synced: Check, again: Again) -> Outcome:
    return Outcome(synced, waiting=synced, again=again)


def _newly_placed(services: Services, tenant: Object, outcome: Outcome) -> tuple[Key, ...]:
    """The Configs in namespaces that the status has now and had not before: they may live there from now on."""
    new = [place.name for place in outcome.places if place.uid and place.uid not in tenant.namespace_uids]
    return tuple(key for name in new for key in services.cache.configs_in(name))


def _plans_of(tenant: Object) -> tuple[Key, ...]:
    """The plans whose number of tenants may be another one now."""
    before = (tenant.status.get("plan") or {}).get("name")
    return tuple({plan_key(name) for name in (tenant.spec["planRef"]["name"], before) if name})
