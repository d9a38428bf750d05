"""LimitRange: what a container gets that does not say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenantry.model import quantity
from tenantry.model.fields import Limits
from tenantry.model.plan import PlanSpec
from tenantry.model.tenant import TenantSpec

NAME = "tenantry"
Document = dict[str, Any]


def desired(namespace: str, labels: Mapping[str, str], limits: Limits) -> Document | None:
    """The limit range of one namespace, None when there are no defaults.

    A request that is not given is the limit, which is what kube-apiserver would write.
    """
    default = _bounded(limits.default)
    requests = default | _bounded(limits.default_request)
    if not requests:
        return None
    item = {"type": "Container", "defaultRequest": requests} | ({"default": default} if default else {})
    return {
        "metadata": {"name": NAME, "namespace": namespace, "labels": dict(labels)},
        "spec": {"limits": [item]},
    }


def _bounded(amounts: Mapping[str, int | str] | None) -> Document:
    return {name: quantity.bounded(amount) for name, amount in (amounts or {}).items()}


def effective(spec: TenantSpec, plan: PlanSpec) -> Limits:
    """The tenant's defaults, and where it has none the plan's."""
    own, fallback = spec.limits or Limits(), plan.limits or Limits()
    return Limits(
        default=own.default or fallback.default, defaultRequest=own.default_request or fallback.default_request
    )
