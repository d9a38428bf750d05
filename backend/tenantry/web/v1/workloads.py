"""Workloads of clusters in bodies below ``/v1``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tenantry.model.fields import Model, View


class Workload(Model):
    """A Kubernetes ServiceAccount, by whose tokens a program proves who it is."""

    cluster: Annotated[str, Field(max_length=63)]
    """Registered name of its cluster."""
    subject: Annotated[str, Field(max_length=344)]
    """`system:serviceaccount:NAMESPACE:NAME`, exactly."""


class WorkloadView(View):
    """A Kubernetes ServiceAccount, by whose tokens a program proves who it is."""

    cluster: str
    """Registered name of its cluster."""
    subject: str
    """`system:serviceaccount:NAMESPACE:NAME`, exactly."""
    given: bool
    """Whether the platform has given it, while the namespace was nobody's: so it lasts. Else it acts for as long as the
    tenant has the namespace on record."""


def view_workload(cluster: str, subject: str, *, given: bool) -> WorkloadView | None:
    """The workload as it is shown, None for none."""
    return WorkloadView(cluster=cluster, subject=subject, given=given) if subject else None
