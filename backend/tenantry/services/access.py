"""What lets somebody act as a person beside their password: who they are at identity providers, and keys of their own.

A new password leaves it as it is, as nobody knows whose it is: it is shown to the person, who may take it all away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor, ApiKey, User
from tenantry.model.providers import Identity
from tenantry.services.accounts import Accounts, end_sessions
from tenantry.services.withdrawal import keys_of_person, withdraw_access
from tenantry.storage import identities, users
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit


@dataclass(frozen=True, slots=True)
class Held:
    """What a person has; the keys are those that work, in all their tenants."""

    identities: Sequence[Identity]
    keys: Sequence[ApiKey]


class Access:
    """The access of all people, over one database."""

    def __init__(self, db: Database, accounts: Accounts) -> None:
        self._db = db
        self._accounts = accounts

    async def held(self, user_id: str) -> Held:
        """What lets somebody act as the user."""
        return await self._db.run(_held, user_id)

    async def drop(self, actor: Actor) -> User:
        """Take it all from the actor's user, and end all their sessions.

        Raises:
            TenantryError: ``CONFLICT``, the user has no password and could not sign in any more.
        """
        user = await self._db.run(_drop, actor, write=True)
        news = "Your identities elsewhere and your own API keys were removed. You were signed out everywhere else."
        await self._accounts.tell(user, news)
        return user


def _held(unit: Unit, user_id: str) -> Held:
    return Held(identities.of_user(unit, user_id), keys_of_person(unit, user_id))


def _drop(unit: Unit, actor: Actor) -> User:
    user = users.get(unit, actor.user_id)
    if user is None or not user.password_hash:
        raise TenantryError(Code.CONFLICT, "you could not sign in any more: you have no password")
    return end_sessions(unit, actor, user, *withdraw_access(unit, actor, user.id))
