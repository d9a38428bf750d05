"""Which tenant a request is about, for whoever may know of it, and what they may do there."""

from __future__ import annotations

from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor
from tenantry.model.kinds import TENANT
from tenantry.model.permissions import FREE, Permission, permissions_of, scopes_with
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
        message = f"you do not have the permission {permission}"
        raise TenantryError(Code.FORBIDDEN, message, scope=missing_scope(actor, permission))


def missing_scope(actor: Actor, permission: Permission) -> str:
    """The scope that ``actor``'s token lacks for that permission; empty when it lacks none that it could have."""
    if permission in FREE or not (actor.scopes or actor.client_id) or permission in permissions_of(actor.scopes):
        return ""
    brought_by = scopes_with(permission, actor.tenant_id)
    return str(permission) if permission in brought_by else next(iter(brought_by), "")


def suspended(actor: Actor) -> TenantryError:
    """Why ``actor`` may not do what its tenant's suspension keeps from it."""
    return TenantryError(Code.TENANT_SUSPENDED, f"the tenant is suspended: {actor.suspended}")
