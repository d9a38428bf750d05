"""The end of a Tenant: its record goes first, its namespaces are kept or deleted, and then the object may go.

The record is first because only the API can count deletions over a whole cluster and refuse them, and because nothing
may be deleted while it cannot be asked.
"""

from __future__ import annotations

import logging

from tenantry.model.errors import Code, TenantryError
from tenantry.model.status import Check
from tenantry_operator import finalizer, reporting
from tenantry_operator.errors import Again, KubeError, judge, soonest
from tenantry_operator.finalizer import FINALIZER
from tenantry_operator.kube import NAMESPACES, TENANTS
from tenantry_operator.objects import Object
from tenantry_operator.tenant import children, namespace, status
from tenantry_operator.tenant.namespace import Place
from tenantry_operator.wiring import Services

#: the way out when the database is gone for good; its value is the tenant's id
FORCE = "tenantry.dev/force-finalize"
#: the API has no record of ours to give back
_NOT_OURS = frozenset({Code.MANAGED_ELSEWHERE, Code.NAME_TOMBSTONED})

logger = logging.getLogger(__name__)


class BlockedError(Exception):
    """A Tenant may not be deleted yet. ``again`` is when that may have changed."""

    def __init__(self, reason: str, message: str, again: Again) -> None:
        super().__init__(message)
        self.check = Check("DeletionBlocked", ok=True, reason=reason, message=message)
        self.again = again


async def tear_down(services: Services, tenant: Object) -> Again:
    """Undo what was made for a Tenant that is being deleted; when to come back while that takes longer.

    Raises:
        BlockedError: it may not be deleted yet; until then it is served as any other.
    """
    if FINALIZER not in tenant.finalizers:
        return Again.NEVER
    if await finalizer.is_kind_going(services, TENANTS):
        logger.warning("the kind Tenant is being deleted: %s is let go and nothing of it is touched", tenant.key.name)
        await finalizer.orphan(services, tenant)
        await finalizer.drop(services, tenant)
        return Again.NEVER
    if tenant.spec.get("deletionProtection") == "Enabled":
        raise BlockedError("DeletionProtected", "spec.deletionProtection is Enabled; set it to Disabled", Again.LATER)
    synced = await _withdraw(services, tenant)
    places = await _leave_namespaces(services, tenant)
    if places:
        again = soonest(Again.LATER, *(place.again for place in places))
        new = status.leaving(tenant, places, synced, again)
        return soonest(again, await reporting.write(services, tenant, new, recorded=False))
    await finalizer.drop(services, tenant)
    return Again.NEVER


async def _withdraw(services: Services, tenant: Object) -> Check:
    """Give the record back; what is to be said of it then.

    Raises:
        BlockedError: the API refused, or could not be asked.
    """
    tenant_id = tenant.status.get("tenantID")
    if tenant_id and tenant.metadata.get("annotations", {}).get(FORCE) == tenant_id:
        logger.warning("%s is finalized by force: its record in the API stays", tenant.key.name)
        return Check("RecordSynced", ok=False, reason="FinalizedByForce", message="the record stays in the API")
    try:
        await services.ledger.withdraw(tenant)
    except TenantryError as error:
        verdict = judge(error)
        if error.code not in _NOT_OURS:
            raise BlockedError(verdict.reason, error.message, verdict.again) from None
        return Check("RecordSynced", ok=False, reason=verdict.reason, message=error.message)
    return Check("RecordSynced", ok=False, reason="Withdrawn", message="the record is deleted")


async def _leave_namespaces(services: Services, tenant: Object) -> list[Place]:
    """Detach or delete the tenant's namespaces; those that are not done with. A bad one does not stop the rest."""
    tenant_id = tenant.status.get("tenantID", "")
    rest = await namespace.recover(services, tenant, tenant_id, tenant.status.get("namespaces", ()))
    for name, child in namespace.held(services.cache, tenant.key.name, tenant_id).items():
        try:
            if tenant.spec["deletionPolicy"] == "Delete" and child.uid in tenant.namespace_uids:
                await children.remove(services, NAMESPACES, "", name)
                rest.append(namespace.leaving(name, child))
            elif not child.deleting:
                await namespace.detach(services, name, tenant.key.name)
        except KubeError as error:
            rest.append(namespace.failed(name, error, child.uid))
    return rest
