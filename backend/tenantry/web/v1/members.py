"""Members below ``/v1``: who belongs to a tenant, and as what."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tenantry.model.fields import Model, View
from tenantry.model.permissions import Permission, Role
from tenantry.model.resource import timestamp
from tenantry.services.people.members import Member
from tenantry.web.v1.conventions import Call, Nothing, PageQuery, Reply, endpoint
from tenantry.web.v1.me import Person, person


class RoleChange(Model):
    """What a member becomes."""

    role: Annotated[Role, Field(strict=False)]
    """The new role; like the old one at most the caller's own."""


class MemberView(View):
    """A person and their place in a tenant."""

    user: Person
    """Who."""
    role: Role
    """As what: `owner`, `admin`, `developer`, `viewer`."""
    source: str
    """How they came: `invite`, `sign-up`, `platform`."""
    created_at: str
    """Since when, as RFC 3339."""


class MemberList(View):
    """A page of members, ordered by the identity of the user."""

    items: list[MemberView]
    """The members."""
    next: str | None = None
    """The cursor of the next page, when there is one."""


async def list_members(call: Call[PageQuery, Nothing]) -> Reply:
    """List the members of a tenant."""
    limit = call.query.limit
    found = await call.services.members.list(call.actor, call.path["tenant"], after=call.after(), limit=limit + 1)
    page, cursor = call.page(found, limit, lambda member: member.user.id)
    return Reply(body=MemberList(items=[_view(member) for member in page], next=cursor))


async def get_member(call: Call[Nothing, Nothing]) -> Reply:
    """Get a member."""
    return _reply(await call.services.members.get(call.actor, call.path["tenant"], call.path["user"]))


async def update_member(call: Call[Nothing, RoleChange]) -> Reply:
    """Give a member another role.

    Nobody gives or takes a role above their own, and the last owner stays one. `If-Match` takes the member's ETag.
    """
    changed = await call.services.members.set_role(
        call.actor,
        call.path["tenant"],
        call.path["user"],
        call.body.role,
        lambda member: call.check_match(_etag(member)),
    )
    return _reply(changed)


async def remove_member(call: Call[Nothing, Nothing]) -> Reply:
    """Remove a member.

    Their sessions there end and their own keys of the tenant are revoked. The last owner stays. `If-Match` takes the
    member's ETag.
    """
    removed = await call.services.members.remove(
        call.actor, call.path["tenant"], call.path["user"], lambda member: call.check_match(_etag(member))
    )
    return Reply(body=_view(removed))


def _reply(member: Member) -> Reply:
    return Reply(body=_view(member), etag=_etag(member))


def _etag(member: Member) -> str:
    return f"{member.membership.created_at}-{member.membership.role}-{member.user.updated_at}"


def _view(member: Member) -> MemberView:
    return MemberView(
        user=person(member.user),
        role=member.membership.role,
        source=member.membership.source,
        created_at=timestamp(member.membership.created_at),
    )


_PATH = "/v1/tenants/{tenant}/members"
_ONE = f"{_PATH}/{{user}}"
_READS, _WRITES = Permission.MEMBERS_READ, Permission.MEMBERS_WRITE
ROUTES = [
    endpoint("GET", _PATH, list_members, needs=_READS, answer=MemberList, query=PageQuery),
    endpoint("GET", _ONE, get_member, needs=_READS, answer=MemberView),
    endpoint("PATCH", _ONE, update_member, needs=_WRITES, answer=MemberView, body=RoleChange, conditional=True),
    endpoint("DELETE", _ONE, remove_member, needs=_WRITES, answer=MemberView, conditional=True),
]
