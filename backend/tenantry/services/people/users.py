"""Users: what people tell and decide about themselves, and what the platform does with their accounts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from tenantry.model import ids
from tenantry.model.audit import describe
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor, TenantStanding, User, UserStatus
from tenantry.model.permissions import Role
from tenantry.services.attempts import retrying
from tenantry.services.audit.log import event
from tenantry.services.standing import Standing, notice
from tenantry.storage import audit, changes, memberships, users
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

Check = Callable[[User], None]


@dataclass(frozen=True, slots=True)
class Place:
    """A tenant that a user belongs to, and as what."""

    tenant: TenantStanding
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to change of an account; None leaves it as it is."""

    name: str | None = None
    status: UserStatus | None = None
    platform_admin: bool | None = None

    def apply(self, user: User) -> User:
        """``user`` with it. Disabling ends all that was begun, so that enabling brings no old session back."""
        status = user.status if self.status is None else self.status
        ends = status is UserStatus.DISABLED and user.status is UserStatus.ACTIVE
        return replace(
            user,
            name=user.name if self.name is None else self.name,
            status=status,
            platform_admin=user.platform_admin if self.platform_admin is None else self.platform_admin,
            auth_version=user.auth_version + ends,
        )


class Users:
    """The users of one database."""

    def __init__(self, db: Database, standing: Standing) -> None:
        self._db = db
        self._standing = standing

    async def places(self, user_id: str) -> list[Place]:
        """The living tenants that the user belongs to, by name."""
        found = await self._db.run(memberships.of_user, user_id)
        tenants = [await self._standing.tenant(membership.tenant_id) for membership in found]
        places = [Place(tenant, place.role) for tenant, place in zip(tenants, found, strict=True) if tenant]
        return sorted(places, key=lambda place: place.tenant.name)

    async def get(self, user_id: str) -> User:
        """The user of that id.

        Raises:
            TenantryError: ``NOT_FOUND``.
        """
        found = await self._db.run(users.get, user_id)
        if found is None:
            raise _unknown(user_id)
        return found

    async def list(self, *, email: str = "", after: str = "", limit: int) -> list[User]:
        """At most ``limit`` users with ids beyond ``after``; only those with that address, if one is given."""
        if email:
            found = await self._db.run(users.with_address, email.lower())
            return sorted((user for user in found if user.id > after), key=lambda user: user.id)[:limit]
        return await self._db.run(partial(users.page, after=after, limit=limit))

    async def change(self, actor: Actor, user_id: str, wanted: Change, check: Check) -> User:
        """Change an account. Who is disabled is signed out everywhere at once.

        Args:
            actor: the user, or the platform.
            user_id: whose account.
            wanted: what is to change.
            check: raises when the account is not as the caller has seen it.

        Raises:
            TenantryError: ``NOT_FOUND``; ``LAST_OWNER``, there would be no active platform administrator.
        """
        changed = await retrying(partial(self._db.run, _change, actor, user_id, wanted, check, write=True))
        self._standing.forget("User", user_id)  # who has changed it sees it at once
        return changed


def _change(unit: Unit, actor: Actor, user_id: str, wanted: Change, check: Check) -> User:
    admins = users.lock_admins(unit) if wanted.status or wanted.platform_admin is False else 0
    before = users.get(unit, user_id)
    if before is None:
        raise _unknown(user_id)
    check(before)
    after = wanted.apply(before)
    if after == before:
        return before
    if _administers(before) and not _administers(after) and admins == 1:
        raise TenantryError(Code.LAST_OWNER, "there is no other active platform administrator: make one first")
    now = ids.now_micros()
    after = replace(after, updated_at=max(now, before.updated_at + 1))
    if not users.update(unit, after, before):
        raise TenantryError(Code.CONFLICT, "the account has changed meanwhile; try again", raced=True)
    told = describe(_told(before), _told(after))
    audit.append(unit, event(actor, "user.update", "User", user_id, at=now, tenant_id="", diff=told))
    changes.announce(unit, notice(after), at=now)
    return after


def _administers(user: User) -> bool:
    return user.platform_admin and user.status is UserStatus.ACTIVE


def _told(user: User) -> dict[str, object]:
    return {"name": user.name, "state": user.status, "platformAdmin": user.platform_admin}


def _unknown(user_id: str) -> TenantryError:
    return TenantryError(Code.NOT_FOUND, f'there is no user "{user_id}"')
