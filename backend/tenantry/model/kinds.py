"""The three kinds: their names, types, printer columns, and where one is looked up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tenantry.model import names
from tenantry.model.config import ConfigSpec, ConfigStatus
from tenantry.model.fields import Model, Rule
from tenantry.model.plan import PlanSpec, PlanStatus
from tenantry.model.resource import GROUP
from tenantry.model.tenant import NAME_RULE, TenantSpec, TenantStatus


@dataclass(frozen=True, slots=True)
class Column:
    """A printer column: ``path`` is a JSONPath as CRDs have it; ``priority`` 1 shows it with ``-o wide`` only."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One kind of resource."""

    name: str
    plural: str
    short_names: tuple[str, ...]
    namespaced: bool
    spec: type[Model]
    status: type[Model]
    columns: tuple[Column, ...]
    description: str
    #: the structural schema of metadata.name and a rule, where there is more to it than Kubernetes asks of every name
    name_schema: Mapping[str, Any] | None = None
    name_rule: Rule | None = None

    @property
    def singular(self) -> str:
        """Lower-case singular, as kubectl takes it."""
        return self.name.lower()

    @property
    def qualified(self) -> str:
        """``tenants.tenantry.dev``, as errors and CRDs name it."""
        return f"{self.plural}.{GROUP}"


def _condition(name: str, path: str) -> str:
    return f'.status.conditions[?(@.type=="{name}")].{path}'


def _ready(path: str) -> str:
    return _condition("Ready", path)


TENANT = Kind(
    "Tenant",
    "tenants",
    ("tnt",),
    namespaced=False,
    spec=TenantSpec,
    status=TenantStatus,
    columns=(
        Column("Plan", ".spec.planRef.name"),
        Column("State", ".spec.state"),
        Column("Ready", _ready("status")),
        Column("Reason", _ready("reason")),
        Column("Namespaces", ".status.namespacesReady"),
        Column("Age", ".metadata.creationTimestamp", "date"),
        Column("Tenant-ID", ".status.tenantID", priority=1),
        Column("Suspension", _condition("Suspended", "message"), priority=1),
        Column("Message", _ready("message"), priority=1),
    ),
    description="A customer organisation: the plan it is on, and the namespaces, hostnames and credentials it owns.",
    name_schema={"type": "string", "maxLength": 40, "pattern": names.TENANT_NAME},
    name_rule=NAME_RULE,
)
PLAN = Kind(
    "Plan",
    "plans",
    (),
    namespaced=False,
    spec=PlanSpec,
    status=PlanStatus,
    columns=(
        Column("Display", ".spec.displayName"),
        Column("Tenants", ".status.tenants", "integer"),
        Column("Ready", _ready("status")),
        Column("Revision", ".status.revision", "integer"),
        Column("Age", ".metadata.creationTimestamp", "date"),
        Column("Message", _ready("message"), priority=1),
    ),
    description="The tier that tenants are on: their ceilings, policies and entitlements.",
)
CONFIG = Kind(
    "Config",
    "configs",
    ("tcfg",),
    namespaced=True,
    spec=ConfigSpec,
    status=ConfigStatus,
    columns=(
        Column("Set", ".spec.configSet"),
        Column("Scope", ".status.scope"),
        Column("Ref", ".status.ref"),
        Column("Rev", ".status.revision", "integer"),
        Column("Ready", _ready("status")),
        Column("Rollout", ".status.rollout.percent", "integer"),
        Column("Age", ".metadata.creationTimestamp", "date"),
        Column("Message", _ready("message"), priority=1),
    ),
    description="One layer of a config set: values and flags for everybody, for a plan, or for one tenant.",
)

KINDS: tuple[Kind, ...] = (PLAN, TENANT, CONFIG)
BY_NAME: dict[str, Kind] = {kind.name: kind for kind in KINDS}
BY_PLURAL: dict[str, Kind] = {kind.plural: kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Address:
    """What a request is about: one object, or with an empty name a collection."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""
