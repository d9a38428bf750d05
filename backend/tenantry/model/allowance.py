"""What a tenant may use: its own wishes, with the plan's ceilings over them."""

from __future__ import annotations

from collections.abc import Mapping

from tenantry.model import quantity
from tenantry.model.fields import Quota
from tenantry.model.plan import PlanSpec
from tenantry.model.tenant import TenantSpec

Amounts = Mapping[str, int | str]


def effective(spec: TenantSpec, plan: PlanSpec) -> Amounts:
    """What the tenant may use in all: per resource the smaller of its own and the plan's, one alone as it is."""
    own, ceiling = hard(spec.quota), hard(plan.quota)
    return dict(ceiling) | {
        name: min(amount, ceiling.get(name, amount), key=quantity.amount) for name, amount in own.items()
    }


def hard(quota: Quota | None) -> Amounts:
    """The amounts of a quota that may be left out."""
    return (quota.hard if quota else None) or {}
