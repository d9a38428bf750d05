"""Which workloads of clusters a service account or an OAuth client may be."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError
from tenantry.model.identity import Actor
from tenantry.services import namespaces
from tenantry.services.machines.workloads import SUBJECT
from tenantry.storage.unit import Unit

#: name of a cluster -> the subjects whose rights the settings say
Subjects = Mapping[str, Collection[str]]


def problems(cluster: str, subject: str, known: Subjects) -> list[FieldError]:
    """What is wrong with a workload, of which both parts are empty for none."""
    found = []
    if bool(cluster) != bool(subject) or (cluster and cluster not in known):
        message = "Invalid value: must be the name of a cluster in TENANTRY_CLUSTERS, beside a subject"
        found.append(FieldError("workload.cluster", FieldCode.INVALID, message))
    if subject and not SUBJECT.fullmatch(subject):
        message = "Invalid value: must be system:serviceaccount:NAMESPACE:NAME"
        found.append(FieldError("workload.subject", FieldCode.INVALID, message))
    elif subject in known.get(cluster, ()):
        message = "Forbidden: TENANTRY_CLUSTERS says what it may"
        found.append(FieldError("workload.subject", FieldCode.FORBIDDEN, message))
    return found


def is_good(owner: str, tenant_id: str, *, given: bool) -> bool:
    """Whether a workload may be one of ``tenant_id``, or of the platform when empty, by who has its namespace now.

    Args:
        owner: identity of the tenant that has it on record; empty for none.
        tenant_id: whose service account or client names it.
        given: the platform has said so, while the namespace was nobody's.
    """
    return owner == tenant_id or (not owner and given)


def check(unit: Unit, actor: Actor, tenant_id: str, cluster: str, subject: str) -> bool:
    """Let a workload in a tenant's namespace be that tenant's only; others are for the platform to give.

    Returns:
        Whether the platform gives it, as its namespace is nobody's.

    Raises:
        TenantryError: ``INVALID``.
    """
    owner = namespaces.holder(unit, cluster, subject.split(":")[2])
    if is_good(owner, tenant_id, given=not actor.tenant_id):
        return not owner
    message = (
        "Forbidden: must be in a namespace that the tenant has on record, in the cluster that manages it; the platform "
        "may give a tenant one that is nobody's"
    )
    wrong = FieldError("workload.subject", FieldCode.FORBIDDEN, message)
    raise TenantryError(Code.INVALID, "the workload is not the tenant's", [wrong])
