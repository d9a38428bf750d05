"""Status from what is known: pure functions (object, plan, claims) -> status, the same in both homes.

Shape was checked before; what is checked here is meaning: another object exists, a limit is kept, a claim was won.
A failed check never refuses a write. It is a condition whose message starts with the path of the field.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tenantry.model import names, quantity
from tenantry.model.config import ConfigSpec
from tenantry.model.errors import FieldError
from tenantry.model.flags import Flag
from tenantry.model.plan import PlanSpec
from tenantry.model.tenant import TenantSpec

Status = dict[str, Any]
#: from the least to the most open, and from the strictest to the least strict
PROFILES = ("Isolated", "SameTenant", "Open")
STANDARDS = ("restricted", "baseline", "privileged")
#: size of a Config's spec in canonical JSON that can be published, in bytes
MAX_CONFIG_SIZE = 192 * 1024
_KEY = re.compile(names.KEY[1:-1])
_VARIANT_TYPES: dict[str, type | tuple[type, ...]] = {
    "boolean": bool,
    "string": str,
    "integer": int,
    "number": (int, float),
    "object": dict,
}


class Check(NamedTuple):
    """The outcome of one aspect, before it becomes a condition."""

    type: str
    ok: bool
    reason: str
    message: str = ""


def tenant_checks(spec: TenantSpec, plan: PlanSpec | None, lost_hostnames: Iterable[str]) -> list[Check]:
    """What can be said of a Tenant without a cluster."""
    lost = sorted(lost_hostnames)
    problems = list(_beyond_plan(spec, plan)) if plan else []
    name = spec.plan_ref.name
    missing = f'spec.planRef.name: there is no Plan "{name}"; create it, or name another'
    conflict = f"spec.hostnames: already claimed by another tenant: {', '.join(lost)}"
    return [
        Check("PlanResolved", plan is not None, "Resolved" if plan else "PlanNotFound", "" if plan else missing),
        Check("WithinPlan", not problems, "ExceedsPlan" if problems else "WithinPlan", "; ".join(problems))
        if plan
        else Check("WithinPlan", ok=False, reason="PlanNotFound", message=missing),
        Check("HostnamesClaimed", not lost, "Conflict" if lost else "Claimed", conflict if lost else ""),
    ]


def tenant(  # noqa: PLR0913 - everything that is known
    spec: TenantSpec,
    plan: PlanSpec | None,
    lost_hostnames: Iterable[str],
    *,
    tenant_id: str,
    plan_revision: int,
    generation: int,
    old: Status,
    now: str,
) -> Status:
    """The status of a Tenant that no cluster reconciles.

    Args:
        spec: what is wanted.
        plan: the spec of the plan that it refers to, None while there is none.
        lost_hostnames: those of its hostnames that another tenant holds.
        tenant_id: its identity.
        plan_revision: revision of that plan.
        generation: the object's generation.
        old: the status before; a condition keeps its time while its status does not change.
        now: RFC 3339.
    """
    lost = set(lost_hostnames)
    checks = tenant_checks(spec, plan, lost)
    suspended = spec.state == "Suspended"
    checks.insert(0, ready(checks))
    reason = (spec.suspension.reason if spec.suspension else None) or ""
    if suspended:
        checks.append(Check("Suspended", ok=True, reason="Suspended", message=reason))
    status: Status = {
        "observedGeneration": generation,
        "tenantID": tenant_id,
        "conditions": conditions(checks, generation, old, now),
    }
    if plan:
        status["plan"] = {"name": spec.plan_ref.name, "revision": plan_revision}
    if spec.hostnames:
        status["hostnames"] = [
            {"host": host, "state": "Conflict" if host in lost else "Claimed"} for host in spec.hostnames
        ]
    return status


def plan(*, tenants: int, revision: int, generation: int, old: Status, now: str) -> Status:
    """The status of a Plan."""
    checks = [Check("Ready", ok=True, reason="Accepted")]
    return {
        "observedGeneration": generation,
        "revision": revision,
        "tenants": tenants,
        "conditions": conditions(checks, generation, old, now),
    }


def config(  # noqa: PLR0913 - everything that is known
    spec: ConfigSpec,
    size: int,
    layer_owner: str,
    *,
    misplaced: FieldError | None,
    revision: int,
    checksum: str,
    generation: int,
    old: Status,
    now: str,
) -> Status:
    """The status of a Config that no cluster reconciles.

    Args:
        spec: what is wanted.
        size: bytes of the spec in canonical JSON.
        layer_owner: ``namespace/name`` of another Config that holds the layer, empty when this one does.
        misplaced: why it may not live in its namespace.
        revision: revision of this spec.
        checksum: its SHA-256.
        generation: the object's generation.
        old: the status before; an invalid spec leaves the published revision as it was.
        now: RFC 3339.
    """
    problems = config_problems(spec, size)
    if misplaced:
        problems.append(f"{misplaced.path}: {misplaced.message}")
    conflict = f"spec.scope: this layer belongs to Config {layer_owner}" if layer_owner else ""
    published = not problems and not layer_owner
    checks = [
        Check("Validated", not problems, "InvalidSpec" if problems else "Valid", "; ".join(problems)),
        Check("Published", published, _publish_reason(problems, layer_owner), conflict or "; ".join(problems)),
    ]
    checks.insert(0, ready(checks))
    scope, ref = spec.scope.layer()
    status: Status = {
        "observedGeneration": generation,
        "scope": scope,
        "ref": ref,
        "counts": {"values": len(spec.values or ()), "flags": len(spec.flags or ())},
        "conditions": conditions(checks, generation, old, now),
    }
    served = (
        {"revision": revision, "stableRevision": revision, "checksum": checksum}
        if published
        else {key: old[key] for key in ("revision", "stableRevision", "checksum") if key in old}
    )
    return status | served


def _publish_reason(problems: list[str], layer_owner: str) -> str:
    if layer_owner:
        return "LayerConflict"
    return "InvalidSpec" if problems else "Published"


def ready(checks: Iterable[Check]) -> Check:
    """``Ready``: all of ``checks``; its reason and message are those of the first that fails."""
    failed = next((check for check in checks if not check.ok), None)
    return Check("Ready", failed is None, failed.reason if failed else "Ready", failed.message if failed else "")


def conditions(checks: Iterable[Check], generation: int, old: Mapping[str, Any], now: str) -> list[dict[str, Any]]:
    """Conditions of ``checks``; ``lastTransitionTime`` moves only when ``status`` changes."""
    before = {condition["type"]: condition for condition in old.get("conditions", ())}
    result = []
    for check in checks:
        status = "True" if check.ok else "False"
        known = before.get(check.type)
        since = known["lastTransitionTime"] if known and known["status"] == status else now
        result.append(
            {
                "type": check.type,
                "status": status,
                "reason": check.reason,
                "message": check.message[:1024],
                "observedGeneration": generation,
                "lastTransitionTime": since,
            }
        )
    return result


def orphaned(old: Status, *, now: str) -> Status:
    """``old`` with the condition that the object went without being deleted; all else is served as it was."""
    message = "its object went with its namespace or its kind; it is served until that comes back"
    check = Check("Orphaned", ok=True, reason="ObjectGone", message=message)
    known = [condition for condition in old.get("conditions", ()) if condition["type"] != check.type]
    return {**old, "conditions": [*known, *conditions([check], old.get("observedGeneration", 0), old, now)]}


def _beyond_plan(spec: TenantSpec, plan: PlanSpec) -> Iterable[str]:
    name = spec.plan_ref.name
    wanted = [namespace for namespace in spec.namespaces or () if namespace.state == "Present"]
    if plan.max_namespaces is not None and len(wanted) > plan.max_namespaces:
        yield f"spec.namespaces: {len(wanted)} are more than the {plan.max_namespaces} that plan {name} allows"
    ceilings = (plan.quota.hard if plan.quota else None) or {}
    for resource, value in ((spec.quota.hard if spec.quota else None) or {}).items():
        if resource in ceilings and quantity.amount(value) > quantity.amount(ceilings[resource]):
            yield f"spec.quota.hard.{resource}: {value} is more than the {ceilings[resource]} that plan {name} allows"
    profile = spec.network.profile if spec.network else None
    if profile and PROFILES.index(profile) > PROFILES.index(plan.network.profile):
        yield f"spec.network.profile: {profile} is more open than the {plan.network.profile} that plan {name} allows"
    standard = spec.pod_security.enforce if spec.pod_security else None
    if standard and STANDARDS.index(standard) > STANDARDS.index(plan.pod_security.enforce):
        yield (
            f"spec.podSecurity.enforce: {standard} is less strict than the {plan.pod_security.enforce} "
            f"that plan {name} demands"
        )


def config_problems(spec: ConfigSpec, size: int) -> list[str]:
    """What is wrong with a Config's meaning by itself, without the other layers."""
    problems = []
    if size > MAX_CONFIG_SIZE:
        problems.append(f"spec: {size} bytes of canonical JSON are more than {MAX_CONFIG_SIZE}; split the layer")
    problems += _value_problems("spec.values", spec.values or {})
    if spec.scope.global_ is not None:
        for key, flag in (spec.flags or {}).items():
            problems += _flag_problems(f"spec.flags.{key}", flag)
    return problems


def _value_problems(path: str, values: Mapping[str, Any]) -> Iterable[str]:
    for key, value in values.items():
        if not _KEY.fullmatch(key):
            yield f"{path}.{key[:100]}: a key has at most 100 letters, digits, dots, hyphens and underscores"
        if value is None:
            yield f"{path}.{key[:100]}: null is not a value; leave the key out"


def _flag_problems(path: str, flag: Flag) -> Iterable[str]:
    variants = flag.variants or {}
    if flag.default_variant is not None and flag.default_variant not in variants:
        yield f'{path}.defaultVariant: there is no variant "{flag.default_variant}"'
    yield from _value_problems(f"{path}.variants", variants)
    expected = _VARIANT_TYPES[flag.type or "object"]
    for name, value in variants.items():
        if value is not None and (
            not isinstance(value, expected) or isinstance(value, bool) != (flag.type == "boolean")
        ):
            yield f"{path}.variants.{name}: must be of type {flag.type}"
