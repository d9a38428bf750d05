"""Whose the namespaces of clusters are, by the records of the tenants."""

from __future__ import annotations

import orjson

from tenantry.model.kinds import TENANT
from tenantry.storage import resources
from tenantry.storage.unit import Unit


def tenant_name_of(namespace: str) -> str:
    """The name of the only tenant that can have a namespace of that name: what stands before its last hyphen."""
    return namespace.rpartition("-")[0]


def held_by(unit: Unit, tenant: str) -> dict[tuple[str, str], str]:
    """(cluster, namespace) -> identity of the tenant, of all namespaces that the tenant of that name has.

    That its spec names one is not enough: somebody else's may have the name. The operator reports a UID when it has
    seen that the namespace is the tenant's.
    """
    found = resources.get(unit, TENANT.name, "", tenant)
    if found is None:
        return {}
    reported = orjson.loads(found.status).get("namespaces") or []
    return {(found.managed_by, each["name"]): found.tenant_id for each in reported if each.get("uid")}


def holder(unit: Unit, cluster: str, namespace: str) -> str:
    """Identity of the tenant whose namespace it is in that cluster; empty when it is no tenant's."""
    return held_by(unit, tenant_name_of(namespace)).get((cluster, namespace), "")
