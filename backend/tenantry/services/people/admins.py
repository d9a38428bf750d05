"""The first administrators of tenants, by ``spec.admins``: who is listed there is invited, once.

That an address was invited to a tenant is known by its invites, whoever made them and whatever became of them. An
invite belongs to whoever has listed the address: whom an actor of the tenant adds is invited by them, in the unit that
changes the list (:func:`follow`). What the platform lists is the platform's, and is worked off afterwards: every
replica runs that and one of them has the turn; what the worker does waits for none of it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable

import orjson

from tenantry.model import email_address
from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError
from tenantry.model.identity import WORKER, Actor
from tenantry.model.permissions import Role
from tenantry.model.resource import Resource
from tenantry.model.tenant import MOST_ADMINS, TenantSpec
from tenantry.services.feed import Feed
from tenantry.services.people.invites import NewInvite, add, may_mail, new, revoke, send, state_of
from tenantry.services.people.mail import Mail
from tenantry.services.setbacks import Setbacks
from tenantry.services.throttle import Throttle
from tenantry.services.turns import Turn
from tenantry.storage import invites, memberships, resources, users, work
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

log = logging.getLogger(__name__)

LEASE = "admins"
TICK = 1.0  # seconds between two looks at what was written
_BATCH = 100
_ACTOR = Actor(name=WORKER)


class Admins:
    """Invites the first administrators of all tenants, over one database.

    Args:
        db: where the work is.
        feed: tells whether anything was written.
        mail: brings the links; where none is sent, nobody has them, and the invites are only listed.
        throttle: says how many mails are sent; who gets none has an invite that is only listed.
        url: under which people open our pages.
    """

    def __init__(self, db: Database, feed: Feed, mail: Mail, throttle: Throttle, url: str) -> None:
        self._db = db
        self._feed = feed
        self._mail = mail
        self._throttle = throttle
        self._url = url
        self._turn = Turn(db, LEASE)
        self._rested = -1  # the feed's seq at which there was nothing to do

    async def run(self) -> None:
        """Invite until cancelled; let another replica go on then."""
        try:
            await Setbacks(log, "first administrators wait for their invites").repeat(self._look, TICK)
        finally:
            await self._turn.give_back()

    async def _look(self) -> None:
        seq = self._feed.seq
        if not await self._turn.is_mine():
            self._rested = -1
        elif seq != self._rested:
            self._rested = -1 if await self.work(_ACTOR) else seq

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
                name, waiting = await self._db.run(_waiting, item)
                mailed = {each for each in waiting if await may_mail(self._mail, self._throttle, name, each)}
                made = await self._db.run(_invite, actor, item, mailed, write=True)
            except Exception as error:  # noqa: BLE001 - told after the others
                trouble.append(error)
                continue
            for invite, tenant in made:
                if invite.invite.mailed:
                    send(self._mail, invite, tenant, self._url)
        if trouble:
            raise trouble[0]
        return len(batch)


def read_addresses(texts: Iterable[str]) -> dict[str, int]:
    """Listed addresses as we keep them, in their order, each with its place; none that no account can have."""
    found: dict[str, int] = {}
    for index, text in enumerate(texts):
        try:
            found.setdefault(email_address.check(text), index)
        except TenantryError:
            log.warning("nobody is invited by spec.admins[%d], which no account can have", index)
    return found


def uninvited(unit: Unit, tenant_id: str, addresses: Collection[str]) -> list[str]:
    """Which of ``addresses`` were never invited to the tenant, members among them."""
    known = invites.invited(unit, tenant_id, addresses)
    return [address for address in addresses if address not in known]


def follow(unit: Unit, actor: Actor, before: Resource, after: Resource, mailed: Collection[str]) -> list[NewInvite]:
    """Invite, in the name of ``actor``, whom they add to the list of their tenant, and take back who is gone.

    Nothing is left for the worker, in whose name an invite would outlive the right of its maker.

    Args:
        unit: that which changes the list.
        actor: who changes it.
        before: the Tenant as it was.
        after: the Tenant as it is.
        mailed: to which addresses the link goes by mail.

    Raises:
        TenantryError: ``INVALID`` at ``spec.admins``; ``LIMIT_REACHED``.
    """
    old, new_ones = _listed(before), _listed(after)
    _take_back(unit, actor, after, new_ones)
    added = {address: index for address, index in new_ones.items() if address not in old}
    missing = uninvited(unit, after.tenant_id, added)
    if missing and not _invites(after):
        why = "Forbidden: nobody is invited to a tenant that is suspended or being deleted"
        raise _refused(after, [FieldError("spec.admins", FieldCode.FORBIDDEN, why)])
    why = "Invalid value: is the address of a member already: change their role instead"
    wrong = [
        FieldError(f"spec.admins[{added[address]}]", FieldCode.INVALID, why)
        for address in missing
        if _is_member(unit, after, address)
    ]
    if wrong:
        raise _refused(after, wrong)
    return [add(unit, actor, _new(actor, after, address, mailed)) for address in missing]


def _waiting(unit: Unit, item: work.Item) -> tuple[str, list[str]]:
    """The name of a tenant, and the addresses that it is to invite."""
    tenant = resources.get_by_uid(unit, item.key)
    return (tenant.name, _missing(unit, tenant)) if tenant else ("", [])


def _invite(unit: Unit, actor: Actor, item: work.Item, mailed: Collection[str]) -> list[tuple[NewInvite, str]]:
    """Make the invites of a tenant that are missing, and take back those that are no longer wanted.

    Returns what was made, each with the name of the tenant.
    """
    if not work.begin(unit, work.ADMINS, item):
        return []
    tenant = resources.get_by_uid(unit, item.key)
    if tenant is None:
        return []
    _take_back(unit, actor, tenant, _listed(tenant))
    made: list[tuple[NewInvite, str]] = []
    for address in _missing(unit, tenant):
        try:
            made.append((add(unit, actor, _new(actor, tenant, address, mailed)), tenant.name))
        except TenantryError as error:
            if error.code is not Code.LIMIT_REACHED:
                raise
            log.warning("tenant %s: not all of spec.admins are invited: %s", tenant.name, error.message)
            break
    return made


def _missing(unit: Unit, tenant: Resource) -> list[str]:
    """Which of the listed addresses the tenant has never invited, and no member has."""
    if not _invites(tenant):
        return []
    missing = uninvited(unit, tenant.tenant_id, _listed(tenant))
    return [address for address in missing if not _is_member(unit, tenant, address)]


def _take_back(unit: Unit, actor: Actor, tenant: Resource, listed: Collection[str]) -> None:
    """Take back what still waits for addresses that are not listed any more."""
    for invite in invites.listed(unit, tenant.tenant_id):
        if invite.email not in listed and state_of(invite) == "Pending":
            revoke(unit, actor, invite)


def _new(actor: Actor, tenant: Resource, address: str, mailed: Collection[str]) -> NewInvite:
    return new(actor, tenant.tenant_id, address, Role.ADMIN, mailed=address in mailed, listed=True)


def _listed(tenant: Resource) -> dict[str, int]:
    return read_addresses(_spec(tenant).admins or ())


def _spec(tenant: Resource) -> TenantSpec:
    return TenantSpec.model_validate(orjson.loads(tenant.spec))


def _invites(tenant: Resource) -> bool:
    return _spec(tenant).state == "Active" and "deletionTimestamp" not in tenant.meta_dict()


def _is_member(unit: Unit, tenant: Resource, address: str) -> bool:
    """Whether who has proved the address is a member: one that was only typed keeps its owner out of nothing."""
    user = users.find(unit, address)
    return user is not None and memberships.get(unit, tenant.tenant_id, user.id) is not None


def _refused(tenant: Resource, wrong: list[FieldError]) -> TenantryError:
    message = f'Tenant "{tenant.name}" is invalid'
    return TenantryError(Code.INVALID, message, wrong, kind="Tenant", name=tenant.name)
