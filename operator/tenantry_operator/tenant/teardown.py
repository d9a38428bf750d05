"""The end of a Tenant: its record goes first, its namespaces are kept or deleted, and then the object may go.

The record is first because only the API can count deletions over a whole cluster and refuse them, and because nothing
may be deleted while it cannot be asked.
"""

from __future__ import annotations

import logging

from tenantry.model.errors import Code, TenantryError
from tenantry.model.status import Check
from tenantry_operator import conditions, finalizer, reporting
from tenantry_operator.errors import Again, KubeError, judge, soonest
from tenantry_operator.finalizer import FINALIZER
from tenantry_operator.kube import NAMESPACES, TENANTS
from tenantry_operator.objects import Object
from tenantry_operator.tenant import children, namespace
from tenantry_operator.wiring import Services

#: the way out when the database is gone for good; its value is the tenant's id
FORCE = "tenantry.dev/force-finalize"
#: the API has no record of ours to give back
_NOT_OURS = frozenset({Code.MANAGED_ELSEWHERE, Code.NAME_TOMBSTONED})

_REWRITTEN = frozenset({"Ready", "Reconciling", "Stalled", "DeletionBlocked"})

logger = logging.getLogger(__name__)


async def tear_down(services: Services, tenant: Object) -> Again:
    """Undo what was made for a Tenant that is being deleted; when to come back while that takes longer."""
    if FINALIZER not in tenant.finalizers:
        return Again.NEVER
    if await finalizer.is_kind_going(services, TENANTS):
        logger.warning("the kind Tenant is being deleted: %s is let go and nothing of it is touched", tenant.key.name)
        await finalizer.orphan(services, tenant)
        await finalizer.drop(services, tenant)
        return Again.NEVER
    if tenant.spec.get("deletionProtection") == "Enabled":
        message = "spec.deletionProtection is Enabled; set it to Disabled"
        return await _wait(
            services, tenant, Check("DeletionBlocked", ok=True, reason="DeletionProtected", message=message)
        )
    tenant_id = tenant.status.get("tenantID", "")
    if tenant_id and tenant.metadata.get("annotations", {}).get(FORCE) == tenant_id:
        logger.warning("%s is finalized by force: its record in the API stays", tenant.key.name)
    else:
        try:
            await services.ledger.withdraw(tenant)
        except TenantryError as error:
            if error.code not in _NOT_OURS:
                verdict = judge(error)
                blocked = Check("DeletionBlocked", ok=True, reason=verdict.reason, message=error.message)
                return await _wait(services, tenant, blocked, verdict.again)
    rest, again = await _leave_namespaces(services, tenant, tenant_id)
    if rest:
        terminating = Check("Terminating", ok=True, reason="Terminating", message="; ".join(rest))
        return await _wait(services, tenant, terminating, again)
    await finalizer.drop(services, tenant)
    return Again.NEVER


async def _leave_namespaces(services: Services, tenant: Object, tenant_id: str) -> tuple[list[str], Again]:
    """Detach or delete the tenant's namespaces; what is to be said of those not done with, and when to come back.

    One bad namespace does not stop the rest.
    """
    lost = await namespace.recover(services, tenant, tenant_id, tenant.status.get("namespaces", ()))
    rest, again = [place.message for place in lost], soonest(Again.LATER, *(place.again for place in lost))
    for name, child in namespace.held(services.cache, tenant.key.name, tenant_id).items():
        try:
            if tenant.spec["deletionPolicy"] == "Delete" and child.uid in tenant.namespace_uids:
                await children.remove(services, NAMESPACES, "", name)
                rest.append(child.blocked or f"{name} is being deleted")
            elif not child.deleting:
                await namespace.detach(services, name, tenant.key.name)
        except KubeError as error:
            rest.append(f"{name}: {error.message}")
            again = soonest(again, judge(error).again)
    return rest, again


async def _wait(services: Services, tenant: Object, why: Check, again: Again = Again.LATER) -> Again:
    """Show why the Tenant is still there."""
    types = [each["type"] for each in tenant.status.get("conditions", ())]
    known = conditions.from_status(tenant.status, [each for each in types if each not in _REWRITTEN])
    checks = [Check("Ready", ok=False, reason=why.reason, message=why.message), *known]
    if why.type == "DeletionBlocked":
        checks.append(why)
    new = tenant.status | {"conditions": conditions.compose(checks, again, tenant)}
    await reporting.write(services, tenant, new, recorded=False)
    return again
