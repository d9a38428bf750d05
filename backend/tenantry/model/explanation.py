"""Why a Tenant is as it is: what applies to it, what is not looked at without a cluster, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field

from tenantry.model import allowance, quantity
from tenantry.model.fields import View
from tenantry.model.plan import PlanSpec
from tenantry.model.resource import API, Resource
from tenantry.model.status import PROFILES, STANDARDS
from tenantry.model.tenant import Suspension, TenantSpec

#: what `Ready` also covers where a cluster reconciles the tenant, and what each is about
CLUSTER_CONDITIONS = {
    "NamespacesReady": "the tenant's namespaces",
    "PoliciesApplied": "quotas, limits, network policies and pod security of its namespaces",
    "AccessGranted": "who in the cluster may work in its namespaces",
    "RecordSynced": "whether the cluster and this API agree",
    "CredentialsIssued": "the Secrets with its OAuth clients' credentials",
}
#: namespaces that a tenant may have on a plan that does not say
_MOST_NAMESPACES = 32
_Amount = int | str


class Aspect(View):
    """One condition of the tenant."""

    type: str
    """The aspect: `Ready` and its parts, `Suspended`."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: str
    """Why, as one word that programs may compare."""
    message: str
    """Why, for people; may be empty."""
    since: str
    """When the status last changed, as RFC 3339."""


class ResolvedPlan(View):
    """The plan that the tenant refers to."""

    name: str
    """Its name."""
    found: bool
    """Whether it exists."""
    display_name: str | None = None
    """Its name as customers see it."""
    revision: int | None = None
    """Its revision."""
    features: list[str] | None = None
    """What its tenants are entitled to."""


class Limit(View):
    """One thing that the plan limits."""

    name: str
    """What: `namespaces`, `quota.requests.cpu`, `network.profile`, `rateLimit.requestsPerSecond`."""
    plan: _Amount | None = None
    """What the plan allows at most; left out where it sets no limit."""
    used: _Amount | None = None
    """What the tenant takes or asks for; left out where it asks for nothing."""
    applies: _Amount | None = None
    """What counts; left out where nothing does."""
    within: bool
    """Whether the tenant keeps the limit."""


class Hostname(View):
    """One hostname that the tenant wants."""

    host: str
    """The hostname."""
    state: Literal["Claimed", "Conflict"]
    """`Conflict`: another tenant holds it."""
    held_by: str | None = None
    """The tenant that holds it, told to those who may see that one."""


class NotAssessed(View):
    """A condition that nobody looks at here."""

    type: str
    """The condition."""
    about: str
    """What it would tell."""
    reason: str
    """Why it is not looked at."""


class Explanation(View):
    """Why a tenant is as it is."""

    tenant: str
    """Name of the tenant."""
    tenant_id: Annotated[str, Field(alias="tenantID")]
    """Its identity."""
    managed_by: str
    """Who decides: `api`, or the name of a cluster."""
    state: Literal["Active", "Suspended"]
    """Whether it is suspended."""
    suspension: Suspension | None = None
    """How, and why; left out while it is not suspended."""
    current: bool
    """Whether the status is of the spec as it stands."""
    ready: Aspect | None = None
    """The sum of its conditions; left out while nobody has told."""
    conditions: list[Aspect]
    """All that is known of it, the parts of `Ready` in the order in which they count."""
    plan: ResolvedPlan
    """Its plan."""
    limits: list[Limit]
    """What the plan limits."""
    hostnames: list[Hostname]
    """The hostnames that it wants."""
    not_assessed: list[NotAssessed]
    """What is not looked at, because no cluster reconciles the tenant."""
    next: list[str]
    """What to do; empty when there is nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What an explanation needs to know besides the tenant itself."""

    plan: Resource | None
    plan_revision: int
    lost_invites: int  # of first administrators, who have no link that works
    holders: Mapping[str, str]  # hostname that another tenant holds -> its name, where the caller may see it


def explain(resource: Resource, around: Surroundings) -> Explanation:
    """The explanation of a Tenant."""
    spec = TenantSpec.from_json(resource.spec)
    plan = PlanSpec.from_json(around.plan.spec) if around.plan else None
    status: dict[str, Any] = orjson.loads(resource.status)
    conditions = [_aspect(condition) for condition in status.get("conditions", ())]
    current = status.get("observedGeneration") == resource.generation
    hostnames = [
        Hostname(host=entry["host"], state=entry["state"], held_by=around.holders.get(entry["host"]))
        for entry in status.get("hostnames", ())
    ]
    return Explanation(
        tenant=resource.name,
        tenant_id=resource.tenant_id,
        managed_by=resource.managed_by,
        state=spec.state,
        suspension=(spec.suspension or Suspension()) if spec.state == "Suspended" else None,
        current=current,
        ready=next((condition for condition in conditions if condition.type == "Ready"), None),
        conditions=conditions,
        plan=ResolvedPlan(
            name=spec.plan_ref.name,
            found=plan is not None,
            display_name=plan.display_name if plan else None,
            revision=around.plan_revision if plan else None,
            features=plan.features if plan else None,
        ),
        limits=list(_limits(spec, plan)) if plan else [],
        hostnames=hostnames,
        not_assessed=_not_assessed(resource, {condition.type for condition in conditions}),
        next=[
            *_where(resource, list(_advice(resource, spec, conditions, hostnames, current=current))),
            *_invites(resource, around.lost_invites),
        ],
    )


def _aspect(condition: Mapping[str, Any]) -> Aspect:
    parts = {part: condition[part] for part in ("type", "status", "reason", "message")}
    return Aspect(**parts, since=condition["lastTransitionTime"])


def _not_assessed(resource: Resource, known: set[str]) -> list[NotAssessed]:
    if resource.managed_by != API:
        return []
    reason = "it needs a cluster, and none reconciles this tenant"
    return [
        NotAssessed(type=name, about=about, reason=reason)
        for name, about in CLUSTER_CONDITIONS.items()
        if name not in known
    ]


def _limits(spec: TenantSpec, plan: PlanSpec) -> Iterator[Limit]:
    most = _MOST_NAMESPACES if plan.max_namespaces is None else plan.max_namespaces
    present = sum(namespace.state == "Present" for namespace in spec.namespaces or ())
    yield Limit(name="namespaces", plan=most, used=present, applies=most, within=present <= most)
    own, ceiling = allowance.hard(spec.quota), allowance.hard(plan.quota)
    for name, amount in sorted(allowance.effective(spec, plan).items()):
        within = name not in own or name not in ceiling or quantity.amount(own[name]) <= quantity.amount(ceiling[name])
        yield Limit(name=f"quota.{name}", plan=ceiling.get(name), used=own.get(name), applies=amount, within=within)
    profile = spec.network.profile if spec.network else None
    standard = spec.pod_security.enforce if spec.pod_security else None
    yield _policy("network.profile", PROFILES, plan.network.profile, profile)
    yield _policy("podSecurity.enforce", STANDARDS, plan.pod_security.enforce, standard)
    if plan.rate_limit:
        for name, amount in (
            ("requestsPerSecond", plan.rate_limit.requests_per_second),
            ("burst", plan.rate_limit.burst),
        ):
            yield Limit(name=f"rateLimit.{name}", plan=amount, applies=amount, within=True)


def _policy(name: str, scale: Sequence[str], most: str, wanted: str | None) -> Limit:
    """A limit on ``scale``, whose later values allow more."""
    within = wanted is None or scale.index(wanted) <= scale.index(most)
    return Limit(name=name, plan=most, used=wanted, applies=(within and wanted) or most, within=within)


def _where(resource: Resource, steps: list[str]) -> list[str]:
    """What there is to do, and before it where, if that is not here."""
    if not steps or resource.managed_by == API:
        return steps
    return [f'It is managed by cluster "{resource.managed_by}": change it there.', *steps]


def _invites(resource: Resource, lost: int) -> list[str]:
    """How whom ``spec.admins`` names gets a link, where no mail has brought one."""
    if not lost:
        return []
    path = f"/v1/tenants/{resource.name}/invites"
    who = f"{lost} of its first administrators (spec.admins) wait without a link: no mail has brought it, or it is old."
    return [f"{who} POST {path}/ID:renew shows a new one to hand over, and GET {path} lists them."]


def _advice(
    resource: Resource, spec: TenantSpec, conditions: list[Aspect], hostnames: list[Hostname], *, current: bool
) -> Iterator[str]:
    if "deletionTimestamp" in (meta := resource.meta_dict()):
        yield f"It is being deleted: wait until {', '.join(meta.get('finalizers', ())) or 'it is gone'} let it go."
    if not conditions:
        yield "Nobody has told its state yet: look again in a moment."
    elif not current:
        yield "Its state is of an older spec: look again in a moment."
    failed = {condition.reason: condition for condition in conditions if condition.status == "False"}
    if "PlanNotFound" in failed:
        yield f'Create the Plan "{spec.plan_ref.name}", or set spec.planRef.name to one that exists.'
    if "ExceedsPlan" in failed:
        yield f"Ask for less, or move to a plan that allows it: {failed['ExceedsPlan'].message}"
    for hostname in hostnames:
        if hostname.state == "Conflict":
            owner = f'tenant "{hostname.held_by}"' if hostname.held_by else "the tenant that holds it"
            yield f"Take {hostname.host} out of spec.hostnames, or have {owner} give it up."
    known = {"PlanNotFound", "ExceedsPlan", "Conflict"}
    yield from (
        f"{condition.type}: {condition.message}"
        for condition in failed.values()
        if condition.type in CLUSTER_CONDITIONS and condition.reason not in known
    )
    if spec.state == "Suspended":
        yield "It is suspended: set spec.state to Active when the reason is gone."
