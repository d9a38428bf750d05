"""Sign-in with a password.

Whoever fails learns nothing about whether there is such an account: the same work is done, and the same is said.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tenantry import metrics
from tenantry.model import email_address, ids
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor, User, UserStatus
from tenantry.services.audit import AuditLog
from tenantry.services.devices import known_device, name_device
from tenantry.services.passwords import Passwords
from tenantry.services.sessions import NewSession, Sessions
from tenantry.services.standing import notice
from tenantry.services.throttle import Throttle
from tenantry.storage import changes, users
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

#: what is wrong is not said: that there is no such account, or that it is disabled, is nobody's business
_WRONG = "the e-mail address or the password is wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A good sign-in: the new session, and what the browser is known by the next time."""

    session: NewSession
    device: str


class SignIn:
    """Begins sessions for who proves who they are."""

    def __init__(
        self, db: Database, passwords: Passwords, sessions: Sessions, throttle: Throttle, audit: AuditLog
    ) -> None:
        self._db = db
        self._passwords = passwords
        self._sessions = sessions
        self._throttle = throttle
        self._audit = audit

    async def with_password(
        self, actor: Actor, email: str, password: str, *, device: str = "", user_agent: str = ""
    ) -> SignedIn:
        """Sign a user in.

        Args:
            actor: the request.
            email: as it was typed.
            password: likewise.
            device: what :class:`SignedIn` said when the browser signed in before.
            user_agent: of the browser.

        Raises:
            TenantryError: ``UNAUTHENTICATED``, it is wrong; ``TOO_MANY_REQUESTS``; ``UNAVAILABLE``.
        """
        email = email_address.normalise(email)
        user = await self._db.run(users.find, email)
        ticket = await self._throttle.admit_password(email, actor.ip, known_device(user, device))
        right = await self._passwords.verify(user.password_hash if user else "", password)
        if user is None or not right or user.status is not UserStatus.ACTIVE:
            raise self._refuse(actor, user)
        await self._throttle.give_back(ticket)
        user = await self._rehash(user, password)
        return await self.begin(actor, user, ("pwd",), user_agent=user_agent)

    async def begin(self, actor: Actor, user: User, amr: tuple[str, ...], *, user_agent: str = "") -> SignedIn:
        """Begin the session of a user who has proved who they are."""
        session = await self._sessions.begin(actor, user, amr, user_agent=user_agent)
        metrics.SIGN_INS.count("ok")
        return SignedIn(session=session, device=name_device(user))

    async def _rehash(self, user: User, password: str) -> User:
        """Hash the password with today's parameters, if it was with others."""
        if not self._passwords.is_outdated(user.password_hash):
            return user
        return await self._db.run(_rehash, user, await self._passwords.hash(password), write=True)

    def _refuse(self, actor: Actor, user: User | None) -> TenantryError:
        error = TenantryError(Code.UNAUTHENTICATED, _WRONG, kind="User", name=user.id if user else "")
        metrics.SIGN_INS.count("refused")
        self._audit.note_denied(actor, "session.begin", "/login", error)
        return error


def _rehash(unit: Unit, user: User, hashed: str) -> User:
    now = max(ids.now_micros(), user.updated_at + 1)
    changed = replace(user, password_hash=hashed, updated_at=now)
    if not users.update(unit, changed, user):  # somebody has just set another, and this one counts no more
        return user
    changes.announce(unit, notice(changed), at=now)
    return changed
