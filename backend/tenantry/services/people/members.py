"""Members: who belongs to a tenant, and as what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from tenantry.model import ids
from tenantry.model.audit import describe
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor, Membership, User
from tenantry.model.permissions import Permission, Role
from tenantry.services.audit.log import event
from tenantry.services.people.invites import revoke
from tenantry.services.people.roles import check_grant
from tenantry.services.standing import notice
from tenantry.services.tenancy import find_tenant
from tenantry.services.withdrawal import withdraw
from tenantry.storage import audit, changes, invites, memberships, users
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit


@dataclass(frozen=True, slots=True)
class Member:
    """A person and their place in a tenant."""

    membership: Membership
    user: User


Check = Callable[[Member], None]


class Members:
    """The members of all tenants, over one database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def list(self, actor: Actor, tenant: str, *, after: str = "", limit: int) -> list[Member]:
        """At most ``limit`` members of the tenant of that name with user ids beyond ``after``.

        Raises:
            TenantryError: ``NOT_FOUND``.
        """
        return await self._db.run(_page, await find_tenant(self._db, actor, tenant), after, limit)

    async def get(self, actor: Actor, tenant: str, user_id: str) -> Member:
        """A member.

        Raises:
            TenantryError: ``NOT_FOUND``.
        """
        return await self._db.run(_get, await find_tenant(self._db, actor, tenant), user_id)

    async def addresses(self, actor: Actor, tenant_id: str, names: Iterable[str]) -> dict[str, str]:
        """The e-mail addresses, by name as the audit log has it, of those who are people that ``actor`` may know.

        Who sees all users knows everybody, and who sees members those of the tenant.
        """
        people = {user_id: name for name in names for kind, _, user_id in [name.partition(":")] if kind == "user"}
        everybody = actor.may(Permission.USERS_READ)
        if not people or not (everybody or actor.may(Permission.MEMBERS_READ)):
            return {}
        found = await self._db.run(partial(_known, everybody=everybody), tenant_id, people)
        return {people[user.id]: user.email for user in found}

    async def set_role(self, actor: Actor, tenant: str, user_id: str, role: Role, check: Check) -> Member:
        """Give a member another role.

        Args:
            actor: who asks; both the old and the new role must be theirs to give.
            tenant: name of the tenant.
            user_id: the member.
            role: what they become.
            check: raises when the member is not as the caller has seen it.

        Raises:
            TenantryError: ``NOT_FOUND``, ``FORBIDDEN``; ``LAST_OWNER``, there would be no owner who can sign in.
        """
        tenant_id = await find_tenant(self._db, actor, tenant)
        return await self._db.run(_set_role, actor, tenant_id, user_id, role, check, write=True)

    async def remove(self, actor: Actor, tenant: str, user_id: str, check: Check) -> Member:
        """Take a member's place away, and with it their sessions there and their personal keys of it.

        Raises:
            TenantryError: as of :meth:`set_role`.
        """
        tenant_id = await find_tenant(self._db, actor, tenant)
        return await self._db.run(_remove, actor, tenant_id, user_id, check, write=True)

    async def leave(self, actor: Actor, tenant: str) -> Member:
        """Give up one's own place in the tenant of that name, whichever is the active one.

        Raises:
            TenantryError: ``NOT_FOUND``, ``LAST_OWNER``.
        """
        tenant_id = await find_tenant(self._db, replace(actor, tenant_id=""), tenant)
        return await self._db.run(_leave, actor, tenant_id, tenant, write=True)


def _page(unit: Unit, tenant_id: str, after: str, limit: int) -> list[Member]:
    return _people(unit, memberships.of_tenant(unit, tenant_id, after=after, limit=limit))


def _people(unit: Unit, found: Sequence[Membership]) -> list[Member]:
    known = users.find_all(unit, [membership.user_id for membership in found])
    return [Member(membership, known[membership.user_id]) for membership in found if membership.user_id in known]


def _known(unit: Unit, tenant_id: str, user_ids: Iterable[str], *, everybody: bool) -> list[User]:
    shown = [each for each in user_ids if everybody or memberships.get(unit, tenant_id, each)]
    return list(users.find_all(unit, shown).values())


def _get(unit: Unit, tenant_id: str, user_id: str) -> Member:
    membership = memberships.get(unit, tenant_id, user_id)
    found = _people(unit, [membership] if membership else [])
    if not found:
        raise TenantryError(Code.NOT_FOUND, f'there is no member "{user_id}"')
    return found[0]


def _set_role(  # noqa: PLR0913, PLR0917 - positional, as units are called
    unit: Unit, actor: Actor, tenant_id: str, user_id: str, role: Role, check: Check
) -> Member:
    others = memberships.lock(unit, tenant_id, user_id)
    member = _get(unit, tenant_id, user_id)
    old = member.membership.role
    check_grant(actor, old)
    check_grant(actor, role)
    check(member)
    if role is old:
        return member
    _check_owners(old, others)
    now = ids.now_micros()
    memberships.set_role(unit, tenant_id, user_id, role, now)
    changed = replace(member.membership, role=role, updated_at=now)
    told = describe({"role": old}, {"role": role})
    audit.append(unit, event(actor, "member.update", "Member", user_id, at=now, tenant_id=tenant_id, diff=told))
    changes.announce(unit, notice(changed), at=now)
    return Member(changed, member.user)


def _remove(unit: Unit, actor: Actor, tenant_id: str, user_id: str, check: Check) -> Member:
    others = memberships.lock(unit, tenant_id, user_id)
    member = _get(unit, tenant_id, user_id)
    check_grant(actor, member.membership.role)
    check(member)
    _check_owners(member.membership.role, others)
    _end(unit, actor, "member.remove", member)
    return member


def _leave(unit: Unit, actor: Actor, tenant_id: str, name: str) -> Member:
    others = memberships.lock(unit, tenant_id, actor.user_id)
    if memberships.get(unit, tenant_id, actor.user_id) is None:
        raise TenantryError(Code.NOT_FOUND, f'there is no Tenant "{name}"', kind="Tenant", name=name)
    member = _get(unit, tenant_id, actor.user_id)
    _check_owners(member.membership.role, others)
    _end(unit, actor, "member.leave", member, keep=actor.session_id)
    return member


def _end(unit: Unit, actor: Actor, action: str, member: Member, *, keep: str = "") -> None:
    now, tenant_id, user_id = ids.now_micros(), member.membership.tenant_id, member.user.id
    memberships.delete(unit, tenant_id, user_id)
    notices = withdraw(unit, tenant_id, user_id, now, keep=keep)
    address = member.user.email if member.user.email_verified else ""  # else it may be somebody else's
    for invite in invites.of_person(unit, tenant_id, user_id, address):
        revoke(unit, actor, invite)
    role = str(member.membership.role)
    audit.append(unit, event(actor, action, "Member", user_id, at=now, tenant_id=tenant_id, message=role))
    changes.announce(unit, notice(member.membership), *notices, at=now)


def _check_owners(role: Role, others: int) -> None:
    if role is Role.OWNER and not others:
        raise TenantryError(Code.LAST_OWNER, "the tenant has no other owner who can sign in: make one first")
