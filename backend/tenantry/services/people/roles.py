"""Who may give and take which role: nobody more than they hold themselves."""

from __future__ import annotations

from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor
from tenantry.model.permissions import ROLES, Permission, Role


def check_grant(actor: Actor, role: Role) -> None:
    """Refuse to let ``actor`` give or take a role beyond their own, or beyond what their credential lets through.

    Raises:
        TenantryError: ``FORBIDDEN``.
    """
    needed = _right_to_give(role)
    refused = f"you cannot give or take the role {role}"
    if actor.role is not None and not actor.role.covers(role):
        raise TenantryError(Code.FORBIDDEN, f"{refused}: it is above yours, which is {actor.role}")
    if not actor.may(needed):
        raise TenantryError(Code.FORBIDDEN, f"{refused}: that takes the permission {needed}")
    if missing := ROLES[role] - actor.permissions:
        raise TenantryError(Code.FORBIDDEN, f"{refused}, which may more than you: {', '.join(sorted(missing))}")


def needed_to_give(role: Role) -> frozenset[Permission]:
    """What whoever gives or takes the role must be allowed."""
    return ROLES[role] | {_right_to_give(role)}


def _right_to_give(role: Role) -> Permission:
    return Permission.OWNERS_WRITE if role is Role.OWNER else Permission.MEMBERS_WRITE
