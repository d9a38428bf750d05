"""Plan: the tier a tenant is on, and the ceilings that come with it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tenantry.model import names
from tenantry.model.fields import (
    Conditions,
    DisplayName,
    IntOrPercent,
    Limits,
    ListSet,
    Model,
    Profile,
    Quota,
    Standard,
)


class PlanNetwork(Model):
    """Network policy of the tenants on a plan."""

    profile: Profile = "SameTenant"
    """The most open profile that a tenant may choose, and the one it gets when it chooses none."""


class PlanPodSecurity(Model):
    """Pod Security Standard of the tenants on a plan."""

    enforce: Standard = "restricted"
    """The least strict standard that a tenant may choose, and the one it gets when it chooses none."""
    warn: Standard = "restricted"
    """Standard that users are warned about."""
    version: Annotated[str, Field(pattern=names.VERSION)] = "latest"
    """Kubernetes version of the standard: `latest` or `v1.36`."""


class RateLimit(Model):
    """API rate limit of a tenant's credentials together."""

    requests_per_second: Annotated[int, Field(ge=1, le=100_000)]
    """Requests per second in the long run."""
    burst: Annotated[int, Field(ge=1, le=1_000_000)]
    """Requests that may come at once."""


class PlanRollout(Model):
    """How an edit of the plan reaches its tenants."""

    max_unavailable: IntOrPercent = "10%"
    """How many tenants, or which part of them, are changed at a time."""
    progress_deadline_seconds: Annotated[int, Field(ge=1, le=86_400)] = 600
    """Seconds after which a wave that makes no progress counts as failed."""


class PlanSpec(Model):
    """What tenants on this plan get, at most."""

    display_name: DisplayName
    """Name of the plan as customers see it."""
    quota: Quota | None = None
    """Ceilings of compute and objects for a tenant over all its namespaces."""
    limits: Limits | None = None
    """Container defaults in the namespaces of tenants that set none."""
    max_namespaces: Annotated[int, Field(ge=0, le=32)] | None = None
    """Namespaces that a tenant may have; 32 when empty."""
    max_members: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """Members that a tenant may have; no limit when empty."""
    network: PlanNetwork = PlanNetwork()
    """Network policy ceiling."""
    pod_security: PlanPodSecurity = PlanPodSecurity()
    """Pod Security floor."""
    rate_limit: RateLimit | None = None
    """API rate limit; none when empty."""
    features: (
        Annotated[list[Annotated[str, Field(pattern=names.FEATURE, max_length=63)]], Field(max_length=100), ListSet()]
        | None
    ) = None
    """Names of what the tenants are entitled to, visible to config rules and to the frontend."""
    rollout: PlanRollout = PlanRollout()
    """How an edit of the plan reaches its tenants."""


class PlanStatus(Model):
    """What is true for a plan now."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """`metadata.generation` that this status was computed from."""
    revision: Annotated[int, Field(ge=0)] | None = None
    """Revision of the plan that is in effect."""
    tenants: Annotated[int, Field(ge=0)] | None = None
    """Tenants on the plan; one with tenants cannot be deleted."""
    conditions: Conditions | None = None
    """`Ready` and `Progressing`."""
