"""Invites below ``/v1``: how a tenant comes to its members."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from pydantic import Field

from tenantry.model import email_address
from tenantry.model.email_address import EmailAddress
from tenantry.model.fields import Model, View
from tenantry.model.identity import Invite
from tenantry.model.permissions import Permission, Role
from tenantry.model.resource import timestamp
from tenantry.services.people.invites import NewInvite, link, may_mail, send, state_of
from tenantry.web.v1.conventions import Call, Nothing, PageQuery, Reply, endpoint


class NewInviteBody(Model):
    """Whom to invite, as what."""

    email: EmailAddress
    """Whom it is meant for. An account that is made with a mailed link gets this address; who has one may accept it
    with any."""
    role: Annotated[Role, Field(strict=False)]
    """What they become: `owner`, `admin`, `developer`, `viewer`; at most what the caller is."""
    mail: bool = True
    """Whether the link is mailed to them, where mail is configured and neither the address nor the tenant has had too
    many; else the answer has it, to be handed over."""


class RenewalBody(Model):
    """How the new link gets to the person."""

    mail: bool = True
    """Whether it is mailed to them, as with a new invite; else the answer has it, to be handed over."""


class InviteView(View):
    """An invite without its link."""

    id: str
    """Identity."""
    email: str
    """Whom it is meant for."""
    role: Role
    """What they become."""
    state: str
    """`Pending`, `Accepted`, `Revoked` or `Expired`; also when it is pending, its maker must still be allowed to
    invite when it is accepted."""
    invited_by: str
    """Who has made it."""
    created_at: str
    """When, as RFC 3339."""
    expires_at: str
    """Until when it can be accepted."""
    accepted_at: str | None = None
    """When it was accepted."""
    accepted_by: str | None = None
    """Identity of the user who has accepted it."""
    revoked_at: str | None = None
    """When it was taken back."""


class CreatedInvite(View):
    """A new invite."""

    invite: InviteView
    """The invite."""
    link: str | None = None
    """What to give to the person: whoever uses it first becomes a member. It is shown this once and kept nowhere; left
    out when it is mailed, so that it proves whose address it is."""
    mailed: bool
    """Whether it is mailed to the person."""


class InviteList(View):
    """A page of invites, ordered by id."""

    items: list[InviteView]
    """The invites."""
    next: str | None = None
    """The cursor of the next page, when there is one."""


async def create_invite(call: Call[Nothing, NewInviteBody]) -> Reply:
    """Invite somebody into a tenant.

    The link works once, for seven days, for whoever holds it. It is mailed where that is configured, and else shown
    this once: the answer to a repeated `Idempotency-Key` is 409 `secret_already_shown`.
    """
    tenant, body = call.path["tenant"], call.body
    mailed = body.mail and await _may_mail(call, body.email)
    reply = partial(_created, call, mailed)
    made = await call.services.invites.create(
        call.actor, tenant, body.email, body.role, call.once(reply), mailed=mailed
    )
    if mailed:
        send(call.services.mail, made, tenant, call.base)
    return reply(made)


async def renew_invite(call: Call[Nothing, RenewalBody]) -> Reply:
    """Make a new link for an invite whose link is lost, was seen by nobody or has expired.

    The old one stops working. It is another invite, for the same address and role, and yours: that it works takes from
    now on that you may make it. The link of an invite by `spec.admins` comes to light in this way where no mail is
    configured. One that was accepted or taken back is 409 `conflict`.
    """
    before = await call.services.invites.get(call.actor, call.path["tenant"], call.path["id"])
    mailed = call.body.mail and await _may_mail(call, before.email)
    reply = partial(_created, call, mailed)
    made = await call.services.invites.renew(call.actor, before, call.once(reply), mailed=mailed)
    if mailed:
        send(call.services.mail, made, call.path["tenant"], call.base)
    return reply(made)


async def list_invites(call: Call[PageQuery, Nothing]) -> Reply:
    """List the invites of a tenant.

    Those that were accepted or revoked, or have expired, are among them.
    """
    limit = call.query.limit
    found = await call.services.invites.list(call.actor, call.path["tenant"], after=call.after(), limit=limit + 1)
    page, cursor = call.page(found, limit, lambda invite: invite.id)
    return Reply(body=InviteList(items=[_view(invite) for invite in page], next=cursor))


async def get_invite(call: Call[Nothing, Nothing]) -> Reply:
    """Get an invite, without its link."""
    return _reply(await call.services.invites.get(call.actor, call.path["tenant"], call.path["id"]))


async def revoke_invite(call: Call[Nothing, Nothing]) -> Reply:
    """Take an invite back.

    One that was accepted or taken back before stays as it is.
    """
    return _reply(
        await call.services.invites.revoke(call.actor, call.path["tenant"], call.path["id"], call.once(_reply))
    )


async def _may_mail(call: Call[Any, Any], email: str) -> bool:
    services, address = call.services, email_address.normalise(email)
    return await may_mail(services.mail, services.throttle, call.path["tenant"], address, call.actor.user_id)


def _created(call: Call[Any, Any], mailed: bool, made: NewInvite) -> Reply:  # noqa: FBT001 - of a partial
    return Reply(
        body=CreatedInvite(
            invite=_view(made.invite), link=None if mailed else link(call.base, made), mailed=made.invite.mailed
        ),
        kept=f"invite {made.invite.id}",
        location=f"/v1/tenants/{call.path['tenant']}/invites/{made.invite.id}",
    )


def _reply(invite: Invite) -> Reply:
    return Reply(body=_view(invite))


def _view(invite: Invite) -> InviteView:
    return InviteView(
        id=invite.id,
        email=invite.email,
        role=invite.role,
        state=state_of(invite),
        invited_by=invite.invited_by,
        created_at=timestamp(invite.created_at),
        expires_at=timestamp(invite.expires_at),
        accepted_at=timestamp(invite.accepted_at) if invite.accepted_at else None,
        accepted_by=invite.accepted_by or None,
        revoked_at=timestamp(invite.revoked_at) if invite.revoked_at else None,
    )


_PATH = "/v1/tenants/{tenant}/invites"
_ONE = f"{_PATH}/{{id}}"
_READS, _WRITES = Permission.MEMBERS_READ, Permission.MEMBERS_WRITE
ROUTES = [
    endpoint("POST", _PATH, create_invite, needs=_WRITES, answer=CreatedInvite, body=NewInviteBody, status=201),
    endpoint("GET", _PATH, list_invites, needs=_READS, answer=InviteList, query=PageQuery),
    endpoint("GET", _ONE, get_invite, needs=_READS, answer=InviteView),
    endpoint("POST", f"{_ONE}:revoke", revoke_invite, needs=_WRITES, answer=InviteView),
    endpoint("POST", f"{_ONE}:renew", renew_invite, needs=_WRITES, answer=CreatedInvite, body=RenewalBody, status=201),
]
