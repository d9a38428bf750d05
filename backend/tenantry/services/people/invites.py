"""Invites: links by which people become members. A link works once, for a week, for whoever holds it."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from functools import partial

from tenantry.model import email_address, ids
from tenantry.model.credentials import Prefix, new_token, split_token
from tenantry.model.errors import Code, TenantryError
from tenantry.model.fielderrors import FieldErrors
from tenantry.model.identity import INVITE_LIFE_US, Actor, Invite, Membership, TenantStanding, User, UserStatus
from tenantry.model.permissions import ROLES, SCOPES, Permission, Role, permissions_of
from tenantry.services import answers, caps
from tenantry.services.answers import Once
from tenantry.services.audit.log import event
from tenantry.services.people.accounts import check_name
from tenantry.services.people.mail import Mail
from tenantry.services.people.passwords import Passwords
from tenantry.services.people.roles import check_grant, needed_to_give
from tenantry.services.standing import Standing, notice
from tenantry.services.tenancy import find_tenant
from tenantry.services.throttle import MAILS, MAILS_OF_PERSON, MAILS_OF_TENANT, Throttle
from tenantry.storage import audit, changes, clients, invites, keys, memberships, service_accounts, users
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

#: what the token of an invite begins with
INVITE_PREFIX = Prefix.INVITE
#: the page that a link leads to
PAGE = "/invite/{token}"

_MAIL = """\
You are invited to be {role} of {tenant}. The link works once, within seven days, for whoever opens it:

{link}

If you know nothing of it, do nothing.
"""


@dataclass(frozen=True, slots=True)
class NewInvite:
    """An invite that was just made. ``token`` is shown this once and stored nowhere."""

    invite: Invite
    token: str


@dataclass(frozen=True, slots=True)
class Invitation:
    """What the holder of a link is told: into which tenant it leads, and who has made it.

    With a link that ``makes_accounts`` a stranger makes an account for the address of the invite: it was mailed there,
    or there is no mail by which an address could be proved.
    """

    invite: Invite
    tenant: TenantStanding
    inviter: User | None
    makes_accounts: bool


class Invites:
    """The invites of all tenants, over one database."""

    def __init__(self, db: Database, standing: Standing, passwords: Passwords, mail: Mail) -> None:
        self._db = db
        self._standing = standing
        self._passwords = passwords
        self._mail = mail

    async def create(  # noqa: PLR0913 - one keyword per thing that an invite has
        self,
        actor: Actor,
        tenant: str,
        email: str,
        role: Role,
        once: Once[NewInvite] | None = None,
        *,
        mailed: bool = False,
    ) -> NewInvite:
        """Make an invite.

        Args:
            actor: who invites, with at least ``role``.
            tenant: name of the tenant.
            email: whom it is meant for.
            role: what they become.
            once: the request, when its answer is to be kept.
            mailed: the link goes to that address, and nobody else gets to see it.

        Raises:
            TenantryError: ``NOT_FOUND``; ``FORBIDDEN``, the role is beyond the actor's own; ``INVALID`` at ``email``;
                ``LIMIT_REACHED``.
        """
        tenant_id = await find_tenant(self._db, actor, tenant)
        check_grant(actor, role)
        address = email_address.check(email)
        return await answers.run(self._db, once, add, actor, new(actor, tenant_id, address, role, mailed=mailed))

    async def list(self, actor: Actor, tenant: str, *, after: str = "", limit: int) -> list[Invite]:
        """At most ``limit`` invites of the tenant of that name with ids beyond ``after``, the used ones too.

        Raises:
            TenantryError: ``NOT_FOUND``.
        """
        tenant_id = await find_tenant(self._db, actor, tenant)
        return await self._db.run(partial(invites.page, tenant_id=tenant_id, after=after, limit=limit))

    async def get(self, actor: Actor, tenant: str, invite_id: str) -> Invite:
        """An invite.

        Raises:
            TenantryError: ``NOT_FOUND``.
        """
        tenant_id = await find_tenant(self._db, actor, tenant)
        found = await self._db.run(invites.get, invite_id)
        if found is None or found.tenant_id != tenant_id:
            raise TenantryError(Code.NOT_FOUND, f'there is no invite "{invite_id}"')
        return found

    async def revoke(self, actor: Actor, tenant: str, invite_id: str, once: Once[Invite] | None = None) -> Invite:
        """Take an invite back; one that was accepted or taken back before stays as it is.

        Raises:
            TenantryError: ``NOT_FOUND``.
        """
        found = await self.get(actor, tenant, invite_id)
        return await answers.run(self._db, once, revoke, actor, found)

    async def renew(
        self, actor: Actor, before: Invite, once: Once[NewInvite] | None = None, *, mailed: bool = False
    ) -> NewInvite:
        """Make an invite in the place of ``before``, whose link is lost, was never seen or has expired.

        It is the actor's from now on, who must be allowed to make it, and stands behind it.

        Raises:
            TenantryError: ``FORBIDDEN``, the role is beyond the actor's own; ``CONFLICT``, it was accepted, taken back
                or renewed before; ``LIMIT_REACHED``.
        """
        check_grant(actor, before.role)
        made = new(actor, before.tenant_id, before.email, before.role, mailed=mailed)
        return await answers.run(self._db, once, _renew, actor, made, before)

    async def open(self, token: str) -> Invitation:
        """What the link with that ``token`` leads to. To look is not to accept.

        Raises:
            TenantryError: ``NOT_FOUND``, it cannot be accepted (any more).
        """
        parts = split_token(token, INVITE_PREFIX)
        invite = await self._db.run(invites.get, parts[0]) if parts else None
        if invite is None or parts is None or not hmac.compare_digest(invite.secret_sha, parts[1]):
            raise _spent()
        tenant = await self._standing.tenant(invite.tenant_id)
        if tenant is None or state_of(invite) != "Pending":
            raise _spent()
        inviter = await self._standing.user(invite.inviter_id) if invite.inviter_id else None
        return Invitation(invite, tenant, inviter, makes_accounts=invite.mailed or not self._mail.is_on)

    async def is_good(self, token: str) -> bool:
        """Whether that is the token of an invite which can be accepted now."""
        try:
            await self.open(token)
        except TenantryError as error:
            if error.code is not Code.NOT_FOUND:
                raise
            return False
        return True

    async def accept(self, actor: Actor, token: str) -> Invitation:
        """Make the person who is signed in a member.

        Raises:
            TenantryError: ``NOT_FOUND``, the link does not work (any more); ``ALREADY_EXISTS``, they are a member, and
                the link stays good; ``TENANT_SUSPENDED``.
        """
        opened = await self.open(token)
        _check_open(opened)
        await self._db.run(_accept, actor, opened.invite, None, write=True)
        return opened

    async def join(self, actor: Actor, token: str, name: str, password: str, *, repeated: str | None = None) -> User:
        """Make an account for the address of the invite, and its user a member.

        Raises:
            TenantryError: as of :meth:`accept`; ``ALREADY_EXISTS``, there is an account with that address;
                ``FORBIDDEN``, the link makes no accounts; ``INVALID`` at ``name``, ``password`` or ``repeated``.
        """
        opened = await self.open(token)
        _check_open(opened)
        if not opened.makes_accounts:
            raise TenantryError(Code.FORBIDDEN, "the link proves no address: make an account first, then open it again")
        wrong, hashed = FieldErrors(), ""
        with wrong:
            name = check_name(name)
        with wrong:
            hashed = await self._passwords.hash(password, about=(opened.invite.email, name), repeated=repeated)
        wrong.refuse()
        now = ids.now_micros()
        user = User(
            id=ids.uuid7(),
            email=opened.invite.email,
            email_verified=opened.invite.mailed,
            name=name,
            password_hash=hashed,
            created_at=now,
            updated_at=now,
        )
        await self._db.run(_accept, replace(actor, name=f"user:{user.id}"), opened.invite, user, write=True)
        return user


def state_of(invite: Invite) -> str:
    """``Pending``, ``Accepted``, ``Revoked`` or ``Expired``."""
    if invite.accepted_at:
        return "Accepted"
    if invite.revoked_at:
        return "Revoked"
    return "Pending" if invite.expires_at > ids.now_micros() else "Expired"


def new(  # noqa: PLR0913 - one keyword per thing that an invite has
    actor: Actor, tenant_id: str, address: str, role: Role, *, mailed: bool, listed: bool = False
) -> NewInvite:
    """An invite by ``actor`` that is to be added, from now on good for a week."""
    token, identifier, secret_sha = new_token(INVITE_PREFIX)
    now = ids.now_micros()
    invite = Invite(
        id=identifier,
        secret_sha=secret_sha,
        tenant_id=tenant_id,
        email=address,
        role=role,
        mailed=mailed,
        listed=listed,
        invited_by=actor.name,
        inviter_id=actor.user_id,
        created_at=now,
        expires_at=now + INVITE_LIFE_US,
    )
    return NewInvite(invite, token)


def link(base: str, made: NewInvite) -> str:
    """What to give to the person, where people open our pages below ``base``."""
    return base + PAGE.format(token=made.token)


def token_in(path: str) -> str:
    """The token of the invite whose page that is; empty when it is none."""
    before, _, after = PAGE.partition("{token}")
    return path[len(before) :].removesuffix(after) if path.startswith(before) and " " not in path else ""


async def may_mail(mail: Mail, throttle: Throttle, tenant: str, address: str, person: str = "") -> bool:
    """Whether there is mail, and neither who invites, the tenant nor ``address`` has had as many as are permitted.

    It counts as one that is sent. ``person`` is the id of the user who invites, empty where none does; ``tenant`` is a
    name.
    """
    if not mail.is_on:
        return False
    try:
        if person:
            await throttle.admit(MAILS_OF_PERSON, person)
        await throttle.admit(MAILS_OF_TENANT, tenant)
        await throttle.admit(MAILS, f"invite {address}")
    except TenantryError as error:
        if error.code is not Code.TOO_MANY_REQUESTS:
            raise
        return False
    return True


def send(mail: Mail, made: NewInvite, tenant: str, base: str) -> None:
    """Mail the link to the person; ``tenant`` is the name of the tenant that it leads into."""
    text = _MAIL.format(role=made.invite.role, tenant=tenant, link=link(base, made))
    mail.send(made.invite.email, f"Join {tenant}", text)


def add(unit: Unit, actor: Actor, made: NewInvite) -> NewInvite:
    """Store an invite, with its audit row.

    Raises:
        TenantryError: ``LIMIT_REACHED``.
    """
    caps.check(caps.INVITES, invites.count(unit, made.invite.tenant_id, made.invite.created_at))
    invites.insert(unit, made.invite)
    _audit(unit, actor, "invite.create", made.invite, f"{made.invite.role}, meant for {made.invite.email}")
    return made


def _renew(unit: Unit, actor: Actor, made: NewInvite, before: Invite) -> NewInvite:
    if not invites.revoke(unit, before.id, made.invite.created_at):
        raise TenantryError(Code.CONFLICT, "the invite was accepted, taken back or renewed before: make another")
    _audit(unit, actor, "invite.revoke", before)
    return add(unit, actor, made)


def revoke(unit: Unit, actor: Actor, invite: Invite) -> Invite:
    """Take an invite back, unless it was accepted or taken back before: the invite as it is then."""
    now = ids.now_micros()
    if not invites.revoke(unit, invite.id, now):
        return invites.get(unit, invite.id) or invite
    _audit(unit, actor, "invite.revoke", invite)
    return replace(invite, revoked_at=now)


def _accept(unit: Unit, actor: Actor, invite: Invite, newcomer: User | None) -> None:
    """Use the invite up and make the member, who is ``newcomer`` or else the actor."""
    now, user_id = ids.now_micros(), newcomer.id if newcomer else actor.user_id
    if not invites.accept(unit, invite.id, user_id, now) or not _stands_behind(unit, invite):
        raise _spent()
    if newcomer and not users.insert(unit, newcomer):
        raise TenantryError(Code.ALREADY_EXISTS, f"there is an account for {newcomer.email}: sign in with it")
    membership = Membership(
        tenant_id=invite.tenant_id,
        user_id=user_id,
        role=invite.role,
        source="invite",
        created_at=now,
        updated_at=now,
    )
    if not memberships.insert(unit, membership):
        raise TenantryError(Code.ALREADY_EXISTS, "you are a member of this tenant already")
    _audit(unit, actor, "invite.accept", invite, f"{invite.role}, meant for {invite.email}")
    if newcomer:
        audit.append(unit, event(actor, "user.create", "User", user_id, at=now, tenant_id="", message=newcomer.email))
    changes.announce(unit, notice(membership), *([notice(newcomer)] if newcomer else []), at=now)


def _stands_behind(unit: Unit, invite: Invite) -> bool:
    """Whether its maker, and the person behind them, could still make it: who goes leaves no door open."""
    needed = needed_to_give(invite.role)
    if invite.inviter_id and not needed <= _rights_of_person(unit, invite):
        return False
    kind, _, name = invite.invited_by.partition(":")
    rights = _RIGHTS.get(kind)
    return rights is None or needed <= rights(unit, name)


def _rights_of_person(unit: Unit, invite: Invite) -> frozenset[Permission]:
    inviter = users.get(unit, invite.inviter_id)
    if inviter is None or inviter.status is not UserStatus.ACTIVE:
        return frozenset()
    place = memberships.get(unit, invite.tenant_id, invite.inviter_id)
    rights = ROLES[place.role] if place else frozenset()
    return rights | SCOPES["platform:admin"] if inviter.platform_admin else rights


def _rights_of_key(unit: Unit, key_id: str) -> frozenset[Permission]:
    key = keys.get(unit, key_id)
    if key is None or key.revoked_at or 0 < key.expires_at <= ids.now_micros():
        return frozenset()
    return permissions_of(key.scopes)


def _rights_of_service_account(unit: Unit, account_id: str) -> frozenset[Permission]:
    account = service_accounts.get(unit, account_id)
    return account.permissions() if account and account.status is UserStatus.ACTIVE else frozenset()


def _rights_of_client(unit: Unit, client_id: str) -> frozenset[Permission]:
    found = clients.get(unit, client_id)
    return permissions_of(found.client.scopes) if found and not found.client.disabled else frozenset()


#: what the name of a maker that the database knows begins with -> what that one may, apart from the state of the tenant
_RIGHTS = {
    "key": _rights_of_key,
    "service-account": _rights_of_service_account,
    "client": _rights_of_client,
}


def _check_open(opened: Invitation) -> None:
    if opened.tenant.mode:
        reason = opened.tenant.reason or "no reason is given"
        raise TenantryError(Code.TENANT_SUSPENDED, f"the tenant is suspended: {reason}")


def _spent() -> TenantryError:
    """Why a link does not work; which of these it is, is nobody's business."""
    what = "the invite was used, was taken back, has expired or was never one"
    return TenantryError(Code.NOT_FOUND, f"{what}: sign in if you have used it, or ask for a new one")


def _audit(unit: Unit, actor: Actor, action: str, invite: Invite, message: str = "") -> None:
    told, now = message or invite.email, ids.now_micros()
    audit.append(unit, event(actor, action, "Invite", invite.id, at=now, tenant_id=invite.tenant_id, message=told))
