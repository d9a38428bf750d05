"""The first administrators of tenants, by ``spec.admins``: who is listed there is invited, once.

That an address was invited to a tenant is known by its invites, whoever made them and whatever became of them. Every
replica runs it and one of them has the turn; what the worker does waits for none of it.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial

import orjson

from tenantry.model import email_address
from tenantry.model.errors import TenantryError
from tenantry.model.identity import WORKER, Actor
from tenantry.model.permissions import Role
from tenantry.model.resource import Resource
from tenantry.model.tenant import MOST_ADMINS, TenantSpec
from tenantry.services.feed import Feed
from tenantry.services.people.invites import NewInvite, add, new, revoke, send, state_of
from tenantry.services.people.mail import Mail
from tenantry.services.setbacks import Setbacks
from tenantry.services.turns import Turn
from tenantry.storage import invites, memberships, resources, users, work
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

log = logging.getLogger(__name__)

LEASE = "admins"
TICK = 0.3  # seconds between two looks at what was written
_ALL = 2**31
_BATCH = 100
_ACTOR = Actor(name=WORKER)


class Admins:
    """Invites the first administrators of all tenants, over one database.

    Args:
        db: where the work is.
        feed: tells whether anything was written.
        mail: brings the links; where none is sent, nobody has them, and the invites are only listed.
        url: under which people open our pages.
    """

    def __init__(self, db: Database, feed: Feed, mail: Mail, url: str) -> None:
        self._db = db
        self._feed = feed
        self._mail = mail
        self._url = url
        self._turn = Turn(db, LEASE)

    async def run(self) -> None:
        """Invite until cancelled; let another replica go on then."""
        setbacks = Setbacks(log, "first administrators wait for their invites")
        rested = -1  # the feed's seq at which there was nothing to do
        try:
            while True:
                try:
                    seq = self._feed.seq
                    if not await self._turn.is_mine():
                        rested = -1
                    elif seq != rested:
                        rested = -1 if await self.work(_ACTOR) else seq
                except Exception as error:  # noqa: BLE001 - whatever the database says, it may be well again
                    await setbacks.wait(error)
                else:
                    setbacks.clear()
                await asyncio.sleep(TICK)
        finally:
            await self._turn.give_back()

    async def work(self, actor: Actor) -> int:
        """Do what waits now in the name of ``actor``, as far as there is room for mails; how much was looked at.

        Raises:
            Exception: the first of what went wrong, after all others were looked at.
        """
        batch, trouble = await self._db.run(work.take, work.ADMINS, _BATCH), []
        for item in batch:
            if not self._mail.has_room(MOST_ADMINS):
                break
            # each in its own unit: it begins with the item, and one tenant's trouble is no other's
            try:
                made = await self._db.run(partial(_invite, mailed=self._mail.is_on), actor, item, write=True)
            except Exception as error:  # noqa: BLE001 - as above
                trouble.append(error)
                continue
            for invite, tenant in made:
                if invite.invite.mailed:
                    send(self._mail, invite, tenant, self._url)
        if trouble:
            raise trouble[0]
        return len(batch)


def _invite(unit: Unit, actor: Actor, item: work.Item, *, mailed: bool) -> list[tuple[NewInvite, str]]:
    """Make the invites of a tenant that are missing, and take back those that are no longer wanted.

    Returns what was made, each with the name of the tenant.
    """
    if not work.begin(unit, work.ADMINS, item):
        return []
    tenant = resources.get_by_uid(unit, item.key)
    if tenant is None:
        return []
    spec = TenantSpec.model_validate(orjson.loads(tenant.spec))
    listed, known = _addresses(tenant, spec), invites.page(unit, tenant_id=tenant.tenant_id, limit=_ALL)
    for invite in known:
        # nobody but this work makes invites in the name of its actor
        if invite.invited_by == actor.name and invite.email not in listed and state_of(invite) == "Pending":
            revoke(unit, actor, invite)
    if spec.state != "Active" or "deletionTimestamp" in tenant.meta_dict():
        return []
    missing = listed.keys() - {invite.email for invite in known}
    return [
        (add(unit, actor, new(actor, tenant.tenant_id, address, Role.ADMIN, mailed=mailed)), tenant.name)
        for address in listed
        if address in missing and not _is_member(unit, tenant, address)
    ]


def _addresses(tenant: Resource, spec: TenantSpec) -> dict[str, None]:
    """The listed addresses as we keep them, in their order: one that no account can have is passed over."""
    found: dict[str, None] = {}
    for index, text in enumerate(spec.admins or ()):
        try:
            found[email_address.check(text)] = None
        except TenantryError:
            log.warning(
                "tenant %s: nobody is invited by spec.admins[%d], which no account can have", tenant.name, index
            )
    return found


def _is_member(unit: Unit, tenant: Resource, address: str) -> bool:
    """Whether who has proved the address is a member: one that was only typed keeps its owner out of nothing."""
    user = users.find(unit, address)
    return user is not None and memberships.get(unit, tenant.tenant_id, user.id) is not None
