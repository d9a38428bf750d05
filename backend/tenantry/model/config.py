"""Config: one layer of one config set's values and flags."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from tenantry.model import names
from tenantry.model.fields import (
    Conditions,
    DateTime,
    Duration,
    ListMap,
    ListSet,
    Model,
    ObjectName,
    Rule,
    TenantName,
)
from tenantry.model.flags import AnyObject, Flag

Key = Annotated[str, Field(pattern=names.KEY, max_length=100)]


class GlobalScope(Model):
    """The layer under all others."""


class PlanScope(Model):
    """The layer of the tenants on one plan."""

    ref: ObjectName
    """Name of the plan."""


class TenantScope(Model):
    """The layer of one tenant."""

    ref: TenantName
    """Name of the tenant."""


class Scope(Model):
    """Which layer this is; exactly one of the three."""

    global_: GlobalScope | None = Field(default=None, alias="global")
    """The layer under all others: `global: {}`."""
    plan: PlanScope | None = None
    """The layer of the tenants on one plan."""
    tenant: TenantScope | None = None
    """The layer of one tenant."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.global) ? 1 : 0) + (has(self.plan) ? 1 : 0) + (has(self.tenant) ? 1 : 0) == 1",
            "exactly one of global, plan and tenant must be set",
            lambda scope: sum(part in scope for part in ("global", "plan", "tenant")) == 1,
        ),
    )

    def layer(self) -> tuple[str, str]:
        """``(scope, ref)``; the ref of the global layer is empty."""
        if self.plan:
            return "plan", self.plan.ref
        return ("tenant", self.tenant.ref) if self.tenant else ("global", "")


class KeySpec(Model):
    """The contract of one key."""

    merge: Literal["override", "min", "max", "and", "or", "deep", "append"] = "override"
    """How the layers' values become one."""
    settable_by: Annotated[list[Literal["plan", "tenant"]], Field(max_length=2), ListSet()] | None = None
    """Layers that may set the key besides the global one; none when empty."""
    client_visible: bool = False
    """Whether browsers may see the value."""
    owner: Annotated[str, Field(max_length=128)] | None = None
    """Team or person that owns the key."""


class SecretKeyRef(Model):
    """A key of a Secret in the Config's namespace."""

    name: ObjectName
    """Name of the Secret."""
    key: Annotated[str, Field(pattern=names.SECRET_KEY, max_length=253)]
    """Key in the Secret."""


class ValueFrom(Model):
    """A value that is kept elsewhere; by reference, never stored, shown or logged."""

    key: Key
    """Key whose value it is."""
    secret_key_ref: SecretKeyRef
    """Where the value is kept."""


class TenantSelector(Model):
    """Tenants by their labels."""

    match_labels: Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(min_length=1, max_length=16)]
    """Labels that a Tenant must have, all of them."""


class RolloutStep(Model):
    """One widening of a rollout."""

    tenants: TenantSelector | None = None
    """Tenants that enter by their labels."""
    percent: Annotated[int, Field(ge=0, le=100)] | None = None
    """Percent of the tenants that are in after this step."""
    pause: Duration | None = None
    """How long to wait before the next step."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.tenants) != has(self.percent)",
            "exactly one of tenants and percent must be set",
            lambda step: ("tenants" in step) != ("percent" in step),
        ),
    )


class RolloutAnalysis(Model):
    """A Prometheus query that must be true before the next step."""

    query: Annotated[str, Field(min_length=1, max_length=4096)]
    """PromQL; an empty or zero result fails."""
    on_failure: Literal["Halt", "Rollback"] = "Rollback"
    """What to do when it fails."""


class ConfigRollout(Model):
    """How a new revision reaches the tenants."""

    strategy: Literal["AllAtOnce", "Progressive"] = "AllAtOnce"
    """`Progressive` goes by `steps`."""
    steps: (
        Annotated[list[RolloutStep], Field(max_length=20, json_schema_extra={"x-kubernetes-list-type": "atomic"})]
        | None
    ) = None
    """The steps, in order."""
    analysis: RolloutAnalysis | None = None
    """What must hold between the steps."""
    not_before: DateTime | None = None
    """Time before which the rollout does not start."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.strategy == 'AllAtOnce' || (has(self.steps) && self.steps.size() > 0)",
            "strategy Progressive needs at least one step",
            lambda rollout: rollout["strategy"] == "AllAtOnce" or bool(rollout.get("steps")),
        ),
    )


class ConfigMapTarget(Model):
    """A ConfigMap that the operator renders."""

    name: ObjectName
    """Name of the ConfigMap."""
    format: Literal["json", "yaml", "env"] = "json"
    """How the values are written."""


class PublishTarget(Model):
    """Where to."""

    config_map: ConfigMapTarget
    """The ConfigMap to render."""
    tenant_namespaces: Literal["Enabled", "Disabled"] = "Disabled"
    """Whether every namespace of every tenant gets one."""


class Publish(Model):
    """Rendering for pods that cannot call the API."""

    to: PublishTarget
    """Where to."""


#: what makes a flag a definition
_DEFINITION = ("type", "variants", "targeting")


def _flags(spec: dict[str, Any]) -> Iterable[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = spec.get("flags", {})
    return found.values()


class ConfigSpec(Model):
    """One layer of a config set."""

    config_set: Annotated[str, Field(pattern=names.CONFIG_SET)]
    """Config set that the layer belongs to, such as the name of an application; immutable."""
    scope: Scope
    """Which layer this is; immutable."""
    state: Literal["Active", "Suspended"] = "Active"
    """`Suspended` takes the layer out of the merge: its kill switch."""
    schema_: AnyObject | None = Field(default=None, alias="schema")
    """Global layer only: JSON Schema (2020-12, no remote `$ref`) of the effective values."""
    keys: Annotated[dict[str, KeySpec], Field(max_length=500)] | None = None
    """Global layer only: the contract of each key."""
    values: Annotated[AnyObject, Field(max_length=500)] | None = None
    """Key to value."""
    values_from: Annotated[list[ValueFrom], Field(max_length=50), ListMap("key")] | None = None
    """Values that are kept in Secrets."""
    locks: Annotated[list[Key], Field(max_length=500), ListSet()] | None = None
    """Keys that lower layers may not override."""
    flags: Annotated[dict[str, Flag], Field(max_length=500)] | None = None
    """Flag key to flag: definitions in the global layer, overrides in the others."""
    rollout: ConfigRollout | None = None
    """How a new revision of this layer reaches the tenants."""
    publish: Publish | None = None
    """Rendering for pods that cannot call the API."""
    revision_history_limit: Annotated[int, Field(ge=1, le=1000)] = 50
    """Revisions that are kept."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.scope.global) || (!has(self.schema) && !has(self.keys))",
            "schema and keys belong to the global layer",
            lambda spec: "global" in spec["scope"] or not spec.keys() & {"schema", "keys"},
        ),
        Rule(
            "!has(self.scope.tenant) || (!has(self.locks) && !has(self.rollout) && !has(self.publish))",
            "a tenant layer may not have locks, rollout or publish",
            lambda spec: "tenant" not in spec["scope"] or not spec.keys() & {"locks", "rollout", "publish"},
        ),
        Rule(
            "!has(self.flags) || !has(self.scope.global) || "
            "self.flags.all(k, has(self.flags[k].type) && has(self.flags[k].variants) && !has(self.flags[k].override))",
            "a flag in the global layer needs type and variants, and may not have override",
            lambda spec: (
                "global" not in spec["scope"]
                or all(flag.keys() & {"type", "variants", "override"} == {"type", "variants"} for flag in _flags(spec))
            ),
        ),
        Rule(
            "!has(self.flags) || has(self.scope.global) || self.flags.all(k, has(self.flags[k].override) && "
            "!has(self.flags[k].type) && !has(self.flags[k].variants) && !has(self.flags[k].targeting))",
            "a flag in a plan or tenant layer may only have override: its definition belongs to the global layer",
            lambda spec: (
                "global" in spec["scope"]
                or all(flag.keys() & {"override", *_DEFINITION} == {"override"} for flag in _flags(spec))
            ),
        ),
        Rule(
            "self.configSet == oldSelf.configSet",
            "configSet is immutable; create another Config instead",
            lambda new, old: new["configSet"] == old["configSet"],
            transition=True,
        ),
        Rule(
            "self.scope == oldSelf.scope",
            "scope is immutable; create another Config instead",
            lambda new, old: new["scope"] == old["scope"],
            transition=True,
        ),
    )

    def layer(self) -> str:
        """The claim of this layer: ``<set>/<scope>/<ref>``."""
        return "/".join((self.config_set, *self.scope.layer()))


class RolloutStatus(Model):
    """How far a rollout has come."""

    step: Annotated[int, Field(ge=0)] | None = None
    """Step that is in effect, from 0."""
    percent: Annotated[int, Field(ge=0, le=100)] | None = None
    """Percent of the tenants that have the new revision."""
    tenants: Annotated[int, Field(ge=0)] | None = None
    """Tenants that have the new revision."""
    next_step_at: DateTime | None = None
    """When the next step is due."""


class ReplicaStatus(Model):
    """How far the new revision has reached the API's replicas."""

    observed: Annotated[str, Field(pattern=r"^[0-9]+/[0-9]+$", max_length=16)] | None = None
    """Replicas that serve it of all, as `3/3`."""
    at_seq: Annotated[int, Field(ge=0)] | None = None
    """Change number that they have all reached."""


class Counts(Model):
    """How much is in the layer."""

    values: Annotated[int, Field(ge=0)] | None = None
    """Values."""
    flags: Annotated[int, Field(ge=0)] | None = None
    """Flags."""


class ConfigStatus(Model):
    """What is true for a layer now."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """`metadata.generation` that this status was computed from."""
    scope: Literal["global", "plan", "tenant"] | None = None
    """Which layer it is."""
    ref: Annotated[str, Field(max_length=253)] | None = None
    """Plan or tenant that the layer belongs to."""
    revision: Annotated[int, Field(ge=0)] | None = None
    """Revision that was published last."""
    stable_revision: Annotated[int, Field(ge=0)] | None = None
    """Revision that tenants get which are not in the rollout yet."""
    checksum: Annotated[str, Field(max_length=64)] | None = None
    """SHA-256 of the published spec in canonical JSON (RFC 8785)."""
    seq: Annotated[int, Field(ge=0)] | None = None
    """Change number of the publication."""
    published_at: DateTime | None = None
    """When it was published."""
    published_by: Annotated[str, Field(max_length=256)] | None = None
    """Who published it."""
    counts: Counts | None = None
    """How much is in the layer."""
    rollout: RolloutStatus | None = None
    """How far the rollout has come."""
    replicas: ReplicaStatus | None = None
    """How far the revision has reached the API's replicas."""
    conditions: Conditions | None = None
    """`Validated`, `Published`, `Propagated`, `RolloutComplete`, `Drifted`, `Ready`."""
