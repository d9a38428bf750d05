"""Local accounts: the first administrator, new passwords, and links for who cannot sign in any more."""

from __future__ import annotations

from dataclasses import replace

from tenantry.model import email_address, ids
from tenantry.model.audit import AuditEvent
from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError
from tenantry.model.identity import Actor, User, UserStatus
from tenantry.model.links import Link, Purpose
from tenantry.services import links
from tenantry.services.passwords import Passwords
from tenantry.services.standing import notice
from tenantry.storage import audit, changes, users
from tenantry.storage import links as link_rows
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

_NAME = 100  # characters


class Accounts:
    """What can be done with local accounts."""

    def __init__(self, db: Database, hasher: Passwords) -> None:
        self._db = db
        self._passwords = hasher

    async def setup_link(self, actor: Actor) -> str:
        """The token of the link by which the first administrator comes in; one that was made before is void.

        Raises:
            TenantryError: ``CONFLICT``, there are users already.
        """
        return await self._db.run(_setup_link, actor, write=True)

    async def check_setup(self, token: str) -> None:
        """See whether the token of a setup link works.

        Raises:
            TenantryError: ``NOT_FOUND``.
        """
        await links.find(self._db, token, Purpose.SETUP)

    async def set_up(self, actor: Actor, token: str, email: str, name: str, password: str) -> User:
        """Make the first administrator, and use the link up.

        Raises:
            TenantryError: ``NOT_FOUND``, the link does not work; ``INVALID`` at ``email``, ``name`` or ``password``.
        """
        link = await links.find(self._db, token, Purpose.SETUP)
        address, name = email_address.check(email), _check_name(name)
        hashed = await self._passwords.hash(password)
        now = ids.now_micros()
        user = User(
            id=ids.uuid7(),
            email=address,
            name=name,
            password_hash=hashed,
            platform_admin=True,
            created_at=now,
            updated_at=now,
        )
        return await self._db.run(_set_up, actor, link, user, write=True)

    async def recovery_link(self, actor: Actor, email: str) -> str:
        """The token of a link by which a user sets a new password; their second factor goes with the old one.

        Raises:
            TenantryError: ``NOT_FOUND``, there is no such user.
        """
        return await self._db.run(_recovery_link, actor, email_address.normalise(email), write=True)

    async def find_reset(self, token: str) -> User:
        """Whose password the token of a link sets.

        Raises:
            TenantryError: ``NOT_FOUND``, the link does not work.
        """
        return (await self._find_reset(token))[1]

    async def reset_password(self, actor: Actor, token: str, password: str) -> User:
        """Set the password of whose link it is, use the link up and end all their sessions.

        Raises:
            TenantryError: ``NOT_FOUND``, the link does not work; ``INVALID`` at ``password``.
        """
        link, user = await self._find_reset(token)
        hashed = await self._passwords.hash(password)
        return await self._db.run(_reset, actor, link, user.id, hashed, write=True)

    async def change_password(self, actor: Actor, current: str, new: str) -> User:
        """Set the actor's own password, and end all their sessions.

        Raises:
            TenantryError: ``INVALID`` at ``current`` or ``new``.
        """
        user = await self.confirm(actor, current, "current")
        hashed = await self._passwords.hash(new, "new")
        return await self._db.run(_change, actor, user, hashed, write=True)

    async def confirm(self, actor: Actor, password: str, field: str = "password") -> User:
        """The actor's own user, who has said their password again.

        Raises:
            TenantryError: ``INVALID`` at ``field``.
        """
        user = await self._db.run(users.get, actor.user_id)
        if not await self._passwords.verify(user.password_hash if user else "", password) or user is None:
            message = "Invalid value: is not your password"
            wrong = FieldError(field, FieldCode.INVALID, message)
            raise TenantryError(Code.INVALID, "the password is wrong", [wrong])
        return user

    async def _find_reset(self, token: str) -> tuple[Link, User]:
        link = await links.find(self._db, token, Purpose.PASSWORD, Purpose.RECOVERY)
        user = await self._db.run(users.get, link.user_id)
        if user is None or user.status is not UserStatus.ACTIVE:
            raise links.spent()
        return link, user


def _setup_link(unit: Unit, actor: Actor) -> str:
    if not users.is_empty(unit):
        raise TenantryError(
            Code.CONFLICT, "there are users already: tenantry admin recover EMAIL lets one of them in again"
        )
    token = links.make(unit, Purpose.SETUP)
    audit.append(unit, event(actor, "setup-link.create", ""))
    return token


def _set_up(unit: Unit, actor: Actor, link: Link, user: User) -> User:
    links.redeem(unit, link)
    if not users.is_empty(unit):
        raise links.spent()
    users.insert(unit, user)
    audit.append(unit, event(replace(actor, name=f"user:{user.id}"), "user.set-up", user.id, user.email))
    changes.announce(unit, notice(user), at=user.created_at)
    return user


def _recovery_link(unit: Unit, actor: Actor, email: str) -> str:
    user = users.find(unit, email)
    if user is None:
        raise TenantryError(Code.NOT_FOUND, f"there is no user {email}")
    token = links.make(unit, Purpose.RECOVERY, user.id)
    audit.append(unit, event(actor, "recovery-link.create", user.id, user.email))
    return token


def _reset(unit: Unit, actor: Actor, link: Link, user_id: str, hashed: str) -> User:
    links.redeem(unit, link)
    user = users.get(unit, user_id)
    if user is None or user.status is not UserStatus.ACTIVE:
        raise links.spent()
    return _set_password(unit, replace(actor, name=f"user:{user.id}"), user, hashed, "password.reset")


def _change(unit: Unit, actor: Actor, user: User, hashed: str) -> User:
    return _set_password(unit, actor, user, hashed, "password.change")


def _set_password(unit: Unit, actor: Actor, user: User, hashed: str, action: str) -> User:
    """Write the new password, which ends all sessions and tokens, and void the links that would set another."""
    now = max(ids.now_micros(), user.updated_at + 1)
    changed = replace(user, password_hash=hashed, auth_version=user.auth_version + 1, updated_at=now)
    if not users.update(unit, changed, user):
        raise TenantryError(Code.CONFLICT, "the account was changed at the same moment: try again", raced=True)
    link_rows.drop(unit, user.id)
    audit.append(unit, event(actor, action, user.id))
    changes.announce(unit, notice(changed), at=now)
    return changed


def event(actor: Actor, action: str, user_id: str, message: str = "") -> AuditEvent:
    """The audit row of what ``actor`` did with the account of a user."""
    return AuditEvent(
        id=ids.uuid7(),
        at=ids.now_micros(),
        actor=actor.name,
        action=action,
        kind="User",
        name=user_id,
        tenant_id=actor.tenant_id,
        request_id=actor.request_id,
        ip=actor.ip,
        message=message,
    )


def _check_name(name: str) -> str:
    name = name.strip()
    if len(name) <= _NAME and (not name or name.isprintable()):
        return name
    message = f"Invalid value: must have at most {_NAME} printable characters"
    raise TenantryError(Code.INVALID, "the name is not valid", [FieldError("name", FieldCode.INVALID, message)])
