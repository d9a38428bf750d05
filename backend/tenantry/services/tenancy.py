"""Which tenant a request is about, for whoever may know of it, and what they may do there."""

from __future__ import annotations

from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor
from tenantry.model.kinds import TENANT
from tenantry.model.permissions import Permission
from tenantry.storage import resources
from tenantry.storage.db import Database


async def find_tenant(db: Database, actor: Actor, name: str) -> str:
    """The identity of the living tenant of that name, if ``actor`` may see it.

    Raises:
        TenantryError: ``NOT_FOUND``; ``UNAVAILABLE``.
    """
    found = await db.run(resources.get, TENANT.name, "", name)
    if found is None or actor.tenant_id not in {"", found.tenant_id}:
        raise TenantryError(Code.NOT_FOUND, f'there is no Tenant "{name}"', kind=TENANT.name, name=name)
    return found.tenant_id


def require(actor: Actor, permission: Permission) -> None:
    """Refuse an ``actor`` without that permission.

    Raises:
        TenantryError: ``FORBIDDEN``.
    """
    if not actor.may(permission):
        raise TenantryError(Code.FORBIDDEN, f"{actor.name} does not have the permission {permission}")


def suspended(actor: Actor) -> TenantryError:
    """Why ``actor`` may not do what its tenant's suspension keeps from it."""
    return TenantryError(Code.TENANT_SUSPENDED, f"the tenant is suspended: {actor.suspended}")
