"""ResourceQuota: each namespace's part of what the tenant may use. Allocation, so no two namespaces race for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tenantry.model import quantity
from tenantry.model.fields import Quota
from tenantry.model.plan import PlanSpec
from tenantry.model.tenant import TenantNamespace, TenantSpec

NAME = "tenantry"
Document = dict[str, Any]
Amounts = Mapping[str, int | str]


def desired(namespace: str, labels: Mapping[str, str], amounts: Amounts, percent: int) -> Document | None:
    """The quota of one namespace, None when there is nothing to limit.

    Args:
        namespace: its real name.
        labels: those of everything that is made for the tenant.
        amounts: what the tenant may use in all, by resource.
        percent: this namespace's part of it.
    """
    if not amounts:
        return None
    return {
        "metadata": {"name": NAME, "namespace": namespace, "labels": dict(labels)},
        "spec": {"hard": {name: quantity.share(amount, percent, name) for name, amount in sorted(amounts.items())}},
    }


def effective(spec: TenantSpec, plan: PlanSpec) -> Amounts:
    """What the tenant may use in all: per resource the smaller of its own and the plan's, one alone as it is."""
    own, ceiling = _hard(spec.quota), _hard(plan.quota)
    return dict(ceiling) | {
        name: min(amount, ceiling.get(name, amount), key=quantity.amount) for name, amount in own.items()
    }


def percents(namespaces: Sequence[TenantNamespace]) -> dict[str, int]:
    """Each namespace's percent: what it asks for, and those that ask for nothing share the rest equally."""
    silent = sum(namespace.share is None for namespace in namespaces)
    rest = 100 - sum(namespace.share or 0 for namespace in namespaces)
    return {namespace.name: rest // silent if namespace.share is None else namespace.share for namespace in namespaces}


def _hard(quota: Quota | None) -> Amounts:
    return (quota.hard if quota else None) or {}
