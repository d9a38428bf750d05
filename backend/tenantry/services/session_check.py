"""Whether the session that somebody acts in goes on, as a write unit sees it."""

from __future__ import annotations

from tenantry.model import ids
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor
from tenantry.storage import sessions, users
from tenantry.storage.unit import Unit


def check_session(unit: Unit, actor: Actor) -> None:
    """See that the session that ``actor`` comes with goes on: a replica may take it for good for a second more.

    So nothing that outlives the session is made by one that has ended.

    Raises:
        TenantryError: ``UNAUTHENTICATED``.
    """
    if not actor.session_id:
        return
    session, user = sessions.get(unit, actor.session_id), users.get(unit, actor.user_id)
    if not session or not user or session.revoked_at or session.auth_version != user.auth_version:
        raise TenantryError(Code.UNAUTHENTICATED, "the session was ended: sign in again")


def check_fresh(unit: Unit, actor: Actor) -> None:
    """See that ``actor`` has signed in a moment ago.

    Raises:
        TenantryError: ``SIGN_IN_AGAIN``.
    """
    session = sessions.get(unit, actor.session_id)
    if session is None or not session.is_fresh(ids.now_micros()):
        raise _stale()


def check_recent(unit: Unit, actor: Actor) -> None:
    """The same for what protects: where the identity provider never tells when it asked, a new session will do.

    Raises:
        TenantryError: ``SIGN_IN_AGAIN``.
    """
    session = sessions.get(unit, actor.session_id)
    if session is None or not session.is_recent(ids.now_micros()):
        raise _stale()


def _stale() -> TenantryError:
    return TenantryError(Code.SIGN_IN_AGAIN, "this takes a sign-in of the last five minutes: sign in again")
