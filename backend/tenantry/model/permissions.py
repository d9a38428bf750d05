"""The one table of rights: what each role of a tenant may do, and what each scope of a credential lets through.

The right that counts is role ∩ scopes ∩ state of the tenant, computed at each request. Routes declare the permission
that they need; the docs, the OpenAPI security and the isolation tests are made from here.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Permission(StrEnum):
    """One right. Its value is also the scope that lets a credential use it, but for the first four."""

    PUBLIC = "public"  # no credential needed; must be spelled out on a route
    AUTHENTICATED = "authenticated"  # any valid credential
    SIGNED_IN = "signed-in"  # a person who is signed in, also without the second factor that they must have
    SELF = "self"  # a person who is signed in, about nobody but themselves; also while their tenant is suspended
    RESOURCES_READ = "resources:read"
    RESOURCES_WRITE = "resources:write"
    TENANTS_WRITE = "tenants:write"
    MEMBERS_READ = "members:read"
    MEMBERS_WRITE = "members:write"
    OWNERS_WRITE = "owners:write"
    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"
    SERVICE_ACCOUNTS_READ = "service-accounts:read"
    SERVICE_ACCOUNTS_WRITE = "service-accounts:write"
    CLIENTS_READ = "clients:read"
    CLIENTS_WRITE = "clients:write"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    AUDIT_READ = "audit:read"
    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    SIGN_IN_READ = "sign-in:read"
    SIGN_IN_WRITE = "sign-in:write"
    TOMBSTONES_RELEASE = "tombstones:release"
    PLATFORM_RECONCILE = "platform:reconcile"


#: permission -> what it lets its holder do, in the reference and in consent
MEANINGS: dict[Permission, str] = {
    Permission.RESOURCES_READ: "Read Plans, Tenants and Configs, their history and what explains them",
    Permission.RESOURCES_WRITE: "Write Plans, Tenants and Configs",
    Permission.TENANTS_WRITE: "Change what a Tenant's owners decide: its display name and its first administrators",
    Permission.MEMBERS_READ: "See members and invites",
    Permission.MEMBERS_WRITE: "Invite people, change roles up to one's own, and remove members",
    Permission.OWNERS_WRITE: "Make and unmake owners",
    Permission.KEYS_READ: "See API keys",
    Permission.KEYS_WRITE: "Make and revoke API keys",
    Permission.SERVICE_ACCOUNTS_READ: "See service accounts",
    Permission.SERVICE_ACCOUNTS_WRITE: "Make, change and delete service accounts",
    Permission.CLIENTS_READ: "See OAuth clients",
    Permission.CLIENTS_WRITE: "Make, change and delete OAuth clients and their secrets",
    Permission.WEBHOOKS_READ: "See webhooks and their deliveries",
    Permission.WEBHOOKS_WRITE: "Make, change, delete and replay webhooks",
    Permission.AUDIT_READ: "Read the audit log",
    Permission.USERS_READ: "See all users",
    Permission.USERS_WRITE: "Disable users, and make platform administrators",
    Permission.SIGN_IN_READ: "See identity providers and signing keys",
    Permission.SIGN_IN_WRITE: "Change identity providers, and rotate signing keys",
    Permission.TOMBSTONES_RELEASE: "Release the names of deleted tenants",
    Permission.PLATFORM_RECONCILE: "Keep the records of a cluster",
}

#: what needs no right in particular
FREE = frozenset({Permission.PUBLIC, Permission.AUTHENTICATED, Permission.SIGNED_IN, Permission.SELF})


class Role(StrEnum):
    """A member's place in a tenant, the highest first."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    VIEWER = "viewer"

    def covers(self, other: Role) -> bool:
        """Whether it is the same or a higher one."""
        order = list(Role)
        return order.index(self) <= order.index(other)


_VIEWER = frozenset({Permission.RESOURCES_READ, Permission.MEMBERS_READ})
_DEVELOPER = _VIEWER | {
    Permission.KEYS_READ,
    Permission.SERVICE_ACCOUNTS_READ,
    Permission.CLIENTS_READ,
    Permission.WEBHOOKS_READ,
    Permission.WEBHOOKS_WRITE,
    Permission.AUDIT_READ,
}
_ADMIN = _DEVELOPER | {
    Permission.MEMBERS_WRITE,
    Permission.KEYS_WRITE,
    Permission.SERVICE_ACCOUNTS_WRITE,
    Permission.CLIENTS_WRITE,
}

#: role -> what it may do in its tenant; of Plans and Tenants all but a few fields is the platform's alone to write
ROLES: dict[Role, frozenset[Permission]] = {
    Role.OWNER: _ADMIN | {Permission.TENANTS_WRITE, Permission.OWNERS_WRITE},
    Role.ADMIN: _ADMIN,
    Role.DEVELOPER: _DEVELOPER,
    Role.VIEWER: _VIEWER,
}

#: what a credential that belongs to one tenant may do at most
OF_TENANTS = ROLES[Role.OWNER] | {Permission.AUTHENTICATED}

#: what a tenant that may only be read lets through
READS = frozenset(permission for permission in Permission if permission.endswith(":read")) | {Permission.AUTHENTICATED}

#: scope -> the permissions that it lets through. ``platform:admin`` is what `tenantry admin key create` gives.
SCOPES: dict[str, frozenset[Permission]] = {
    "platform:admin": frozenset(Permission) - FREE - {Permission.PLATFORM_RECONCILE},
    "platform:read": frozenset({Permission.RESOURCES_READ, Permission.AUDIT_READ}),
    "platform:reconcile": frozenset(
        {Permission.PLATFORM_RECONCILE, Permission.RESOURCES_READ, Permission.RESOURCES_WRITE}
    ),
    **{str(permission): frozenset({permission}) for permission in MEANINGS if permission in OF_TENANTS},
}

#: scopes that only the platform itself may hold
OF_THE_PLATFORM = frozenset(scope for scope in SCOPES if scope.startswith("platform:"))


def permissions_for(scopes: Iterable[str], tenant_id: str) -> frozenset[Permission]:
    """What a person who grants these scopes lets through in that tenant, or outside of all when it is empty.

    A tenant has no part in the platform's rights; and ``members:write`` was granted for one tenant: for the platform
    acts only what was granted the platform.
    """
    return permissions_of(scopes) & OF_TENANTS if tenant_id else permissions_of(OF_THE_PLATFORM & {*scopes})


def scopes_with(permission: Permission, tenant_id: str) -> tuple[str, ...]:
    """The scopes that bring it to a credential of that tenant, which can have none of the platform's, or of none."""
    return tuple(
        scope for scope in SCOPES if permission in SCOPES[scope] and not (tenant_id and scope in OF_THE_PLATFORM)
    )


def permissions_of(scopes: Iterable[str]) -> frozenset[Permission]:
    """What a credential with these scopes lets through; one that nobody knows lets nothing through."""
    granted = (SCOPES[scope] for scope in scopes if scope in SCOPES)
    return frozenset({Permission.AUTHENTICATED}).union(*granted)
