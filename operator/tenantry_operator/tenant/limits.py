"""LimitRange: what a container gets that does not say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenantry.model.fields import Limits
from tenantry.model.plan import PlanSpec
from tenantry.model.tenant import TenantSpec

NAME = "tenantry"
Document = dict[str, Any]


def desired(namespace: str, labels: Mapping[str, str], limits: Limits) -> Document | None:
    """The limit range of one namespace, None when there are no defaults.

    A request that is not given is the limit, which is what kube-apiserver would write.
    """
    default = dict(limits.default or {})
    requests = default | dict(limits.default_request or {})
    if not requests:
        return None
    item = {"type": "Container", "defaultRequest": requests} | ({"default": default} if default else {})
    return {
        "metadata": {"name": NAME, "namespace": namespace, "labels": dict(labels)},
        "spec": {"limits": [item]},
    }


def effective(spec: TenantSpec, plan: PlanSpec) -> Limits:
    """The tenant's defaults, and where it has none the plan's."""
    own, fallback = spec.limits or Limits(), plan.limits or Limits()
    return Limits(
        default=own.default or fallback.default, defaultRequest=own.default_request or fallback.default_request
    )
