"""A Tenant's status: what the API knows of it, and what became of it in the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tenantry.client.records import Record
from tenantry.model.status import Check, ready
from tenantry.model.tenant import TenantSpec
from tenantry_operator import conditions
from tenantry_operator.errors import Again
from tenantry_operator.objects import Object
from tenantry_operator.tenant.namespace import Place

Document = dict[str, Any]
#: what only the API can tell
FROM_API = ("PlanResolved", "WithinPlan", "HostnamesClaimed")
APPLIED = "Applied"
_OF_NAMESPACES = ("NamespacesReady", "PoliciesApplied")


@dataclass(slots=True)
class Outcome:
    """What a reconcile has found out and done so far."""

    synced: Check
    record: Record | None = None
    places: list[Place] = field(default_factory=list)  # of the namespaces that are wanted
    leaving: list[Place] = field(default_factory=list)  # of those that are being deleted
    policies: list[Place] = field(default_factory=list)  # namespaces whose quota or limits are not as wanted
    waiting: Check | None = None  # why nothing was done in the cluster
    blocked: Check | None = None  # why the Tenant, which is being deleted, may not go
    again: Again = Again.NEVER


def compute(tenant: Object, spec: TenantSpec | None, outcome: Outcome) -> Document:
    """The status of a Tenant after ``outcome``; what nobody could find out stays as it was."""
    old, record = tenant.status, outcome.record
    status: Document = {
        key: old[key] for key in ("tenantID", "plan", "hostnames", "namespaces", "namespacesReady") if key in old
    }
    status["observedGeneration"] = tenant.generation
    if record:
        status["tenantID"] = record.tenant_id
        status |= _optional("plan", record.plan) | _optional("hostnames", [dict(each) for each in record.hostnames])
        for key, value in (("plan", record.plan), ("hostnames", record.hostnames)):
            if not value:
                status.pop(key, None)
    parts = [*(conditions.from_api(record.conditions) if record else conditions.from_status(old, FROM_API))]
    parts.append(outcome.synced)
    if outcome.waiting is None:
        status |= _namespaces(outcome)
        parts += [_namespaces_ready(outcome.places), _policies_applied(outcome)]
    else:
        parts += [outcome.waiting._replace(type=kind) for kind in _OF_NAMESPACES]
    checks = [ready(parts), *parts, *_suspended(spec), *([outcome.blocked] if outcome.blocked else ())]
    status["conditions"] = conditions.compose(checks, outcome.again, tenant)
    return status


def leaving(tenant: Object, places: Sequence[Place], synced: Check, again: Again) -> Document:
    """The status of a Tenant whose record is gone: what is left of it. Its identity stays: its namespaces have it.

    Args:
        tenant: it, with its status before.
        places: the namespaces that are not gone or detached yet.
        synced: what became of the record.
        again: when it is looked at again.
    """
    message = _joined(places)
    parts = [Check(kind, ok=False, reason=places[0].reason, message=message) for kind in _OF_NAMESPACES]
    checks = [Check("Ready", ok=False, reason=places[0].reason, message=message), synced, *parts]
    status = {key: tenant.status[key] for key in ("tenantID",) if key in tenant.status}
    status |= {"observedGeneration": tenant.generation, "namespaces": [_entry(place, place.reason) for place in places]}
    checks += conditions.from_status(tenant.status, ["Suspended"])
    return status | {"namespacesReady": f"0/{len(places)}", "conditions": conditions.compose(checks, again, tenant)}


def _namespaces(outcome: Outcome) -> Document:
    unlimited = {place.name: place for place in outcome.policies}
    entries, well = [], 0
    for place in [*outcome.places, *outcome.leaving]:
        reason = place.reason or (unlimited[place.name].reason if place.name in unlimited else "")
        entries.append(_entry(place, reason))
        well += not reason
    return {"namespaces": entries, "namespacesReady": f"{well}/{len(outcome.places)}"}


def _entry(place: Place, reason: str) -> Document:
    found = {"ready": "False" if reason else "True", "reason": reason or APPLIED}
    return {"name": place.name} | _optional("uid", place.uid) | found


def _namespaces_ready(places: Sequence[Place]) -> Check:
    wrong = [place for place in places if place.reason]
    if not wrong:
        return Check("NamespacesReady", ok=True, reason=APPLIED)
    return Check("NamespacesReady", ok=False, reason=wrong[0].reason, message=_joined(wrong))


def _policies_applied(outcome: Outcome) -> Check:
    wrong = [place for place in outcome.places if place.reason] + outcome.policies
    if not wrong:
        return Check("PoliciesApplied", ok=True, reason=APPLIED)
    return Check("PoliciesApplied", ok=False, reason=wrong[0].reason, message=_joined(wrong))


def _suspended(spec: TenantSpec | None) -> list[Check]:
    if spec is None or spec.state != "Suspended":
        return []
    reason = (spec.suspension.reason if spec.suspension else None) or ""
    return [Check("Suspended", ok=True, reason="Suspended", message=reason)]


def _joined(places: Sequence[Place]) -> str:
    return "; ".join(place.message or f"{place.name}: {place.reason}" for place in places)


def _optional(key: str, value: Any) -> Document:
    return {key: value} if value else {}
