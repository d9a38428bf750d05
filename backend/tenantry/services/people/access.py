"""What lets somebody act as a person beside their password: who they are at identity providers, and keys of their own.

A new password leaves it as it is, as nobody knows whose it is: it is shown to the person at each sign-in, until they
have said that it is theirs, or have taken it all away. Only who has signed in with the password can say so: an identity
elsewhere is what is in doubt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tenantry.model import ids
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor, User
from tenantry.model.permissions import Permission
from tenantry.services.answers import Once
from tenantry.services.audit.log import event
from tenantry.services.machines.keys import Keys, NewKey, owner_of
from tenantry.services.people.accounts import Accounts, end_sessions
from tenantry.services.people.sign_in import WITH_PASSWORD
from tenantry.services.session_check import check_session
from tenantry.services.standing import notice
from tenantry.services.withdrawal import Held, access_of, withdraw_access
from tenantry.storage import audit, changes, sessions, users
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit


class Access:
    """The access of all people, over one database."""

    def __init__(self, db: Database, accounts: Accounts, keys: Keys) -> None:
        self._db = db
        self._accounts = accounts
        self._keys = keys

    async def held(self, user_id: str) -> Held:
        """What lets somebody act as the user."""
        return await self._db.run(access_of, user_id)

    async def may_answer(self, actor: Actor) -> bool:
        """Whether the actor has signed in with the password."""
        return await self._db.run(_may_answer, actor)

    async def keep(self, actor: Actor) -> None:
        """Note that the actor's user has seen it, and leaves it as it is.

        Raises:
            TenantryError: ``UNAUTHENTICATED``, the actor's session has ended; ``FORBIDDEN``, they have not signed in
                with the password; ``CONFLICT``, another has written the same user meanwhile.
        """
        await self._db.run(_keep, actor, write=True)

    async def make_key(  # noqa: PLR0913 - one keyword per thing that a key may have
        self,
        actor: Actor,
        name: str,
        scopes: Sequence[str],
        *,
        lifetime: int,
        allowed_cidrs: Sequence[str] = (),
        once: Once[NewKey] | None = None,
    ) -> NewKey:
        """Make a key of the actor's own, and tell them by mail.

        Raises:
            TenantryError: as of :meth:`tenantry.services.machines.keys.Keys.create`.
        """
        made = await self._keys.create(
            actor,
            name,
            scopes,
            owner=owner_of(actor),
            needs=Permission.SELF,
            lifetime=lifetime,
            allowed_cidrs=allowed_cidrs,
            once=once,
        )
        user = await self._db.run(users.get, actor.user_id)
        if user is not None:
            await self._accounts.tell(user, f'An API key of your own was made: "{made.key.name}".')
        return made

    async def drop(self, actor: Actor) -> User:
        """Take it all from the actor's user, and end all their sessions.

        Raises:
            TenantryError: ``CONFLICT``, the user has no password and could not sign in any more.
        """
        user = await self._db.run(_drop, actor, write=True)
        news = "Your identities elsewhere and your own API keys were removed. You were signed out everywhere else."
        await self._accounts.tell(user, news)
        return user


def _may_answer(unit: Unit, actor: Actor) -> bool:
    session = sessions.get(unit, actor.session_id)
    return session is not None and session.amr[:1] == WITH_PASSWORD


def _keep(unit: Unit, actor: Actor) -> None:
    check_session(unit, actor)
    if not _may_answer(unit, actor):
        raise TenantryError(Code.FORBIDDEN, "only who signs in with the password can say so: sign in with it")
    user = users.get(unit, actor.user_id)
    if user is None or not user.must_review:
        return
    now = max(ids.now_micros(), user.updated_at + 1)
    changed = replace(user, must_review=False, updated_at=now)
    if not users.update(unit, changed, user):
        raise TenantryError(Code.CONFLICT, "the account was changed at the same moment: try again", raced=True)
    audit.append(unit, event(actor, "access.keep", "User", user.id, at=now, tenant_id=""))
    changes.announce(unit, notice(changed), at=now)


def _drop(unit: Unit, actor: Actor) -> User:
    user = users.get(unit, actor.user_id)
    if user is None or not user.password_hash:
        raise TenantryError(Code.CONFLICT, "you could not sign in any more: you have no password")
    seen = replace(user, must_review=user.must_review and not _may_answer(unit, actor))
    return end_sessions(unit, actor, seen, *withdraw_access(unit, actor, user.id))
