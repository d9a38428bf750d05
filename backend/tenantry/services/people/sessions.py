"""Browser sessions: begun by a sign-in, listed and ended by their user, each with its audit row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tenantry.model import ids
from tenantry.model.credentials import Prefix, new_token
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import SESSION_LIFE_US, Actor, Session, User
from tenantry.services.audit.log import event
from tenantry.services.session_check import check_recent
from tenantry.services.standing import notice
from tenantry.services.tenancy import find_tenant
from tenantry.services.throttle import NO_TICKET, Ticket, give_back
from tenantry.storage import audit, changes, memberships, sessions, users
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

_AGENT = 256  # characters of a User-Agent that are kept


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that was just begun. ``cookie`` goes to the browser and is stored nowhere.

    ``must_review`` is that of its user.
    """

    session: Session
    cookie: str
    must_review: bool


class Sessions:
    """What can be done with sessions."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def begin(  # noqa: PLR0913 - what is known of a sign-in
        self,
        actor: Actor,
        user: User,
        amr: Sequence[str],
        *,
        auth_time: int | None = None,
        user_agent: str = "",
        ticket: Ticket = NO_TICKET,
    ) -> NewSession:
        """Sign ``user`` in, in the tenant that they are a member of when there is exactly one.

        The session that ``actor`` comes with, if any, ends: a session's id never survives a sign-in.

        Args:
            actor: the request; its ``session_id`` is replaced.
            user: who has proved who they are.
            amr: how (RFC 8176).
            auth_time: when, in epoch microseconds, 0 if nobody knows; now when it is None.
            user_agent: of the browser, for the list of sessions.
            ticket: attempts that count no more with it.
        """
        made = new_session(actor, user, amr, user_agent)
        if auth_time is not None:
            made = replace(made, session=replace(made.session, auth_time=auth_time))
        return replace(made, session=await self._db.run(begin, actor, made.session, ticket, write=True))

    async def renew(
        self, actor: Actor, user: User, *, proved: Sequence[str] = (), gone: Sequence[str] = ()
    ) -> NewSession:
        """Another session in the place of the actor's own, in the same tenant: how they sign in has changed.

        It is no sign-in: it is as old as the one before, and ends when that would have ended at last. How they have
        proved who they are is as before, but for what the request changes.

        Args:
            actor: the request.
            user: as they are now.
            proved: what they have just proved who they are by, too (RFC 8176).
            gone: what counts no more.
        """
        made = new_session(actor, user, proved, "")
        return replace(made, session=await self._db.run(_renew, actor, made.session, gone, write=True))

    async def end(self, actor: Actor, session_id: str) -> None:
        """End a session of the actor's own user; one that has ended stays so.

        Raises:
            TenantryError: ``NOT_FOUND``; ``SIGN_IN_AGAIN``, it is another than the actor's own, who has not signed in
                lately.
        """
        session = await self._db.run(sessions.get, session_id)
        if session is None or not actor.user_id or session.user_id != actor.user_id:
            raise TenantryError(Code.NOT_FOUND, f'there is no session "{session_id}"')
        if session_id != actor.session_id:  # who has found a browser open keeps its owner out of no other
            await self._db.run(check_recent, actor)
        await self._db.run(_end, actor, session, write=True)

    async def list(self, actor: Actor) -> list[Session]:
        """The living sessions of the actor's user, the newest first."""
        return await self._db.run(_living, actor.user_id)

    async def switch(self, actor: Actor, tenant: str) -> str:
        """Make the tenant of that name the active one of the actor's session, none when empty; its identity.

        Raises:
            TenantryError: ``NOT_FOUND``, there is no such tenant, or the user is no member.
        """
        return await self._db.run(_switch, actor, await self._own_tenant(actor, tenant), write=True)

    async def _own_tenant(self, actor: Actor, name: str) -> str:
        if not name:
            return ""
        tenant_id = await find_tenant(self._db, replace(actor, tenant_id=""), name)
        if await self._db.run(memberships.get, tenant_id, actor.user_id) is None:
            raise TenantryError(Code.NOT_FOUND, f'there is no Tenant "{name}"', kind="Tenant", name=name)
        return tenant_id


def _living(unit: Unit, user_id: str) -> list[Session]:
    now, user = ids.now_micros(), users.get(unit, user_id)
    version = user.auth_version if user else 0
    return [
        session
        for session in sessions.of_user(unit, user_id)
        if session.ends_at() > now and session.auth_version == version
    ]


def new_session(actor: Actor, user: User, amr: Sequence[str], user_agent: str) -> NewSession:
    """A session of ``user`` that :func:`begin` is to store, in no tenant yet."""
    cookie, identifier, secret_sha = new_token(Prefix.SESSION)
    now = ids.now_micros()
    session = Session(
        id=identifier,
        secret_sha=secret_sha,
        user_id=user.id,
        auth_version=user.auth_version,
        amr=tuple(amr),
        auth_time=now,
        created_at=now,
        last_seen_at=now,
        ip=actor.ip,
        user_agent=user_agent.encode(errors="replace").decode()[:_AGENT],  # a header may have bytes that are no text
    )
    return NewSession(session, cookie, user.must_review)


def begin(unit: Unit, actor: Actor, session: Session, ticket: Ticket) -> Session:
    """As :meth:`Sessions.begin`, in a unit: the session as it is stored."""
    give_back(unit, ticket)
    places = memberships.of_user(unit, session.user_id)
    if len(places) == 1:
        session = replace(session, tenant_id=places[0].tenant_id)
    sessions.forget(unit, session.user_id, session.created_at - SESSION_LIFE_US)
    users.note_sign_in(unit, session.user_id, session.created_at)
    return _insert(unit, actor, session, "session.begin")


def _renew(unit: Unit, actor: Actor, session: Session, gone: Sequence[str]) -> Session:
    old = sessions.get(unit, actor.session_id)
    if old is None or old.user_id != session.user_id or old.revoked_at:
        raise TenantryError(Code.UNAUTHENTICATED, "the session was ended: sign in again")
    session = replace(
        session,
        tenant_id=old.tenant_id,
        user_agent=old.user_agent,
        amr=tuple(dict.fromkeys([*(method for method in old.amr if method not in gone), *session.amr])),
        auth_time=old.auth_time,
        created_at=old.created_at,
    )
    return _insert(unit, actor, session, "session.renew")


def _insert(unit: Unit, actor: Actor, session: Session, action: str) -> Session:
    """Add ``session``, and end the one that ``actor`` comes with."""
    now = session.last_seen_at
    sessions.insert(unit, session)
    who = replace(actor, name=f"user:{session.user_id}", user_id=session.user_id, tenant_id=session.tenant_id)
    audit.append(unit, event(who, action, "Session", session.id, at=now, message=" ".join(session.amr)))
    old = sessions.get(unit, actor.session_id) if actor.session_id else None
    if old and sessions.revoke(unit, old.id, now):
        changes.announce(unit, notice(old), at=now)
    return session


def _end(unit: Unit, actor: Actor, session: Session) -> None:
    now = ids.now_micros()
    if sessions.revoke(unit, session.id, now):
        audit.append(unit, event(actor, "session.end", "Session", session.id, at=now))
        changes.announce(unit, notice(session), at=now)


def _switch(unit: Unit, actor: Actor, tenant_id: str) -> str:
    session = sessions.get(unit, actor.session_id)
    if session is None or session.revoked_at:
        raise TenantryError(Code.UNAUTHENTICATED, "the session was ended: sign in again")
    now = ids.now_micros()
    sessions.switch(unit, session.id, tenant_id)
    audit.append(unit, event(actor, "session.switch", "Session", session.id, at=now, tenant_id=tenant_id))
    changes.announce(unit, notice(session), at=now)
    return tenant_id
