"""ResourceQuota: each namespace's part of what the tenant may use. Allocation, so no two namespaces race for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tenantry.model import quantity
from tenantry.model.allowance import Amounts
from tenantry.model.tenant import TenantNamespace

NAME = "tenantry"
Document = dict[str, Any]


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
    shares = {name: quantity.share(amount, percent, name) for name, amount in sorted(amounts.items())}
    return {
        "metadata": {"name": NAME, "namespace": namespace, "labels": dict(labels)},
        "spec": {"hard": {name: quantity.bounded(share) for name, share in shares.items()}},
    }


def percents(namespaces: Sequence[TenantNamespace]) -> dict[str, int]:
    """Each namespace's percent: what it asks for, and those that ask for nothing share the rest equally."""
    silent = sum(namespace.share is None for namespace in namespaces)
    rest = 100 - sum(namespace.share or 0 for namespace in namespaces)
    return {namespace.name: rest // silent if namespace.share is None else namespace.share for namespace in namespaces}
