"""Sign-in with a password, and with a second factor where the user has one.

Whoever fails learns nothing about whether there is such an account: the same work is done, and the same is said.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

from tenantry import metrics
from tenantry.model import email_address, ids
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import SEVERAL_FACTORS, Actor, Session, User, UserStatus
from tenantry.model.links import Link, Purpose
from tenantry.services.audit.log import AuditLog
from tenantry.services.people import factors, links
from tenantry.services.people.devices import known_device, name_device
from tenantry.services.people.factors import Factors
from tenantry.services.people.passwords import Passwords
from tenantry.services.people.sessions import NewSession, Sessions, begin, new_session
from tenantry.services.standing import notice
from tenantry.services.throttle import CODES, CODES_OF_LOGIN, Throttle, Ticket, Try, count_password, give_back
from tenantry.storage import changes, users
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

#: how a session was begun (RFC 8176): the first step, and the second if there is one
WITH_PASSWORD = ("pwd",)
ELSEWHERE = ("fed",)
BY_APP = ("otp", SEVERAL_FACTORS)
BY_RECOVERY_CODE = (SEVERAL_FACTORS,)
#: what is wrong is not said: that there is no such account, or that it is disabled, is nobody's business
_WRONG = "the e-mail address or the password is wrong"

#: seconds that one waits at most for those who came before to be looked up
_PATIENCE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A good sign-in: the new session, and what the browser is known by the next time."""

    session: NewSession
    device: str


@dataclass(frozen=True, slots=True)
class Halfway:
    """The first step is done, and the second factor is to follow: ``token`` is what :meth:`SignIn.with_code` takes."""

    token: str


class SignIn:
    """Begins sessions for who proves who they are."""

    def __init__(  # noqa: PLR0913, PLR0917 - the services that it brings together
        self,
        db: Database,
        passwords: Passwords,
        factors: Factors,
        sessions: Sessions,
        throttle: Throttle,
        audit: AuditLog,
    ) -> None:
        self._db = db
        self._passwords = passwords
        self._factors = factors
        self._sessions = sessions
        self._throttle = throttle
        self._audit = audit
        self._looking_up = asyncio.Lock()

    async def with_password(
        self, actor: Actor, email: str, password: str, *, device: str = "", user_agent: str = ""
    ) -> SignedIn | Halfway:
        """Sign a user in, or halfway when they have a second factor.

        Args:
            actor: the request.
            email: as it was typed.
            password: likewise.
            device: what :class:`SignedIn` said when the browser signed in before.
            user_agent: of the browser.

        Raises:
            TenantryError: ``UNAUTHENTICATED``, it is wrong; ``TOO_MANY_REQUESTS``; ``UNAVAILABLE``.
        """
        known, user, ticket = await self._find(actor, email_address.normalise(email), password, device)
        if user is None or user.status is not UserStatus.ACTIVE:
            raise self._refuse(actor, user or next(iter(known), None))
        user = await self._rehash(user, password)
        new = new_session(actor, user, WITH_PASSWORD, user_agent)
        went = await self._db.run(_go_on, actor, new.session, ticket, write=True)
        return Halfway(went) if isinstance(went, str) else _signed_in(user, replace(new, session=went))

    async def with_code(self, actor: Actor, token: str, code: str, *, user_agent: str = "") -> SignedIn:
        """Go on with a code of the user's authenticator app, or with a recovery code.

        Raises:
            TenantryError: ``NOT_FOUND``, the token does not work any more: begin again; ``UNAUTHENTICATED``, the code
                is wrong; ``TOO_MANY_REQUESTS``.
        """
        link = await links.find(self._db, token, Purpose.SIGN_IN, Purpose.SIGN_IN_ELSEWHERE)
        user = await self._db.run(users.get, link.user_id)
        if user is None or user.status is not UserStatus.ACTIVE:
            raise links.spent()
        await self._throttle.admit(CODES_OF_LOGIN, link.id)
        ticket = await self._throttle.admit(CODES, user.id)
        step = await self._factors.step_of(user.id, code)
        if not await self._db.run(_use, link, step, code, write=True):
            raise self._refuse(actor, user, "the code is wrong, or was used before")
        first, auth_time = (WITH_PASSWORD, None) if link.purpose is Purpose.SIGN_IN else (ELSEWHERE, link.auth_time)
        amr = (*first, *(BY_APP if step else BY_RECOVERY_CODE))
        session = await self._sessions.begin(
            actor, user, amr, auth_time=auth_time, user_agent=user_agent, ticket=ticket
        )
        return _signed_in(user, session)

    async def begin(self, actor: Actor, user: User, amr: Sequence[str], *, user_agent: str = "") -> SignedIn:
        """Begin the session of a user who has just proved who they are, as :meth:`Sessions.begin` says."""
        return _signed_in(user, await self._sessions.begin(actor, user, amr, user_agent=user_agent))

    async def renew(
        self, actor: Actor, user: User, *, proved: Sequence[str] = (), gone: Sequence[str] = ()
    ) -> SignedIn:
        """Let the browser that has changed how ``user`` signs in stay signed in, as :meth:`Sessions.renew` says."""
        session = await self._sessions.renew(actor, user, proved=proved, gone=gone)
        return SignedIn(session=session, device=name_device(user))

    async def _find(
        self, actor: Actor, email: str, password: str, device: str
    ) -> tuple[Sequence[User], User | None, Ticket]:
        """The users with an address, who of them has that password, and what was counted.

        To those who do not know the browser, who may be anybody, it is a stranger: else who has one account would guess
        at another's.
        """
        async with self._turn():
            known, friends, attempt = await self._db.run(_look_up, email, actor.ip, device, write=True)
        await self._throttle.slow_down(attempt)
        user = await self._whose(friends or known, password)
        if user is None and friends and len(known) > len(friends):
            attempt = await self._db.run(count_password, email, actor.ip, "", write=True)
            await self._throttle.slow_down(attempt)
            user = await self._whose([each for each in known if each not in friends], password)
        return known, user, attempt.ticket

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One at a time is looked up: fifty who come at once would all have their share before anybody else has any.

        Nobody waits for one for long whose row is locked, or whose database does not answer.
        """
        taken = False
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                taken = await self._looking_up.acquire()
        try:
            yield
        finally:
            if taken:
                self._looking_up.release()

    async def _whose(self, known: Sequence[User], password: str) -> User | None:
        """Who of the users with an address has that password.

        It takes as long when nobody has the address; where two have, of whom one has not proved it, twice as long.
        """
        for user in [user for user in known if user.password_hash]:
            if await self._passwords.verify(user.password_hash, password):
                return user
        if not any(user.password_hash for user in known):
            await self._passwords.verify("", password)
        return None

    async def _rehash(self, user: User, password: str) -> User:
        """Hash the password with today's parameters, if it was with others."""
        if not self._passwords.is_outdated(user.password_hash):
            return user
        return await self._db.run(_rehash, user, await self._passwords.rehash(password), write=True)

    def _refuse(self, actor: Actor, user: User | None, message: str = _WRONG) -> TenantryError:
        error = TenantryError(Code.UNAUTHENTICATED, message, kind="User", name=user.id if user else "")
        metrics.SIGN_INS.count("refused")
        self._audit.note_denied(actor, "session.begin", "/login", error)
        return error


def _signed_in(user: User, session: NewSession) -> SignedIn:
    metrics.SIGN_INS.count("ok")
    return SignedIn(session=session, device=name_device(user))


def _look_up(unit: Unit, email: str, address: str, device: str) -> tuple[Sequence[User], Sequence[User], Try]:
    """The users with an address, those of them who know the browser, and the attempt that is counted."""
    known = users.with_address(unit, email)
    names = {user.id: known_device(user, device) for user in known}
    friends = [user for user in known if names[user.id]]
    return known, friends, count_password(unit, email, address, names[friends[0].id] if friends else "")


def _go_on(unit: Unit, actor: Actor, session: Session, ticket: Ticket) -> Session | str:
    """Begin ``session``; or, where its user has a second factor, the token of what is halfway."""
    if not factors.state(unit, session.user_id).since:
        return begin(unit, actor, session, ticket)
    give_back(unit, ticket)
    return links.make(unit, Purpose.SIGN_IN, session.user_id)


def _use(unit: Unit, link: Link, step: int, code: str) -> bool:
    """Use the code and the link up, both or neither."""
    if not factors.use(unit, link.user_id, step, code):
        return False
    links.redeem(unit, link)
    return True


def _rehash(unit: Unit, user: User, hashed: str) -> User:
    now = max(ids.now_micros(), user.updated_at + 1)
    changed = replace(user, password_hash=hashed, updated_at=now)
    if not users.update(unit, changed, user):  # somebody has just set another, and this one counts no more
        return user
    changes.announce(unit, notice(changed), at=now)
    return changed
