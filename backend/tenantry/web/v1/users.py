"""Users below ``/v1``: every account, for platform administrators."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tenantry.model.fields import Model, View
from tenantry.model.identity import User, UserStatus
from tenantry.model.permissions import Permission
from tenantry.model.resource import timestamp
from tenantry.services.people.users import Change
from tenantry.web.v1.conventions import Call, Nothing, PageQuery, Reply, endpoint


class UserQuery(PageQuery):
    """Which users to list."""

    email: Annotated[str, Field(max_length=320)] = ""
    """Only those with that address: at most one who has proved that it is theirs, and one who has not."""


class UserChange(Model):
    """What is to change of an account; what is left out stays."""

    state: Annotated[UserStatus | None, Field(strict=False)] = None
    """`Disabled` signs them out everywhere at once, and their keys stop working."""
    platform_admin: bool | None = None
    """Whether they administer the platform."""


class UserView(View):
    """An account."""

    id: str
    """Identity, which stays."""
    email: str
    """E-mail address."""
    email_verified: bool
    """Whether they have proved that it is theirs."""
    name: str
    """For people; may be empty."""
    state: UserStatus
    """Whether they may sign in."""
    platform_admin: bool
    """Whether they administer the platform."""
    created_at: str
    """When the account was made, as RFC 3339."""
    last_sign_in_at: str | None = None
    """When they signed in last."""


class UserList(View):
    """A page of accounts, ordered by id."""

    items: list[UserView]
    """The accounts."""
    next: str | None = None
    """The cursor of the next page, when there is one."""


async def list_users(call: Call[UserQuery, Nothing]) -> Reply:
    """List the accounts."""
    limit = call.query.limit
    found = await call.services.users.list(email=call.query.email, after=call.after(), limit=limit + 1)
    page, cursor = call.page(found, limit, lambda user: user.id)
    return Reply(body=UserList(items=[_view(user) for user in page], next=cursor))


async def get_user(call: Call[Nothing, Nothing]) -> Reply:
    """Get an account."""
    return _reply(await call.services.users.get(call.path["user"]))


async def update_user(call: Call[Nothing, UserChange]) -> Reply:
    """Disable or enable an account, or change who administers the platform.

    The last active platform administrator can be neither disabled nor demoted. `If-Match` takes the account's ETag.
    """
    wanted = Change(status=call.body.state, platform_admin=call.body.platform_admin)
    changed = await call.services.users.change(
        call.actor, call.path["user"], wanted, lambda user: call.check_match(_etag(user))
    )
    return _reply(changed)


def _reply(user: User) -> Reply:
    return Reply(body=_view(user), etag=_etag(user))


def _etag(user: User) -> str:
    return f"{user.updated_at}-{user.last_sign_in_at}"


def _view(user: User) -> UserView:
    return UserView(
        id=user.id,
        email=user.email,
        email_verified=user.email_verified,
        name=user.name,
        state=user.status,
        platform_admin=user.platform_admin,
        created_at=timestamp(user.created_at),
        last_sign_in_at=timestamp(user.last_sign_in_at) if user.last_sign_in_at else None,
    )


_PATH = "/v1/users"
_ONE = f"{_PATH}/{{user}}"
_READS, _WRITES = Permission.USERS_READ, Permission.USERS_WRITE
ROUTES = [
    endpoint("GET", _PATH, list_users, needs=_READS, answer=UserList, query=UserQuery),
    endpoint("GET", _ONE, get_user, needs=_READS, answer=UserView),
    endpoint("PATCH", _ONE, update_user, needs=_WRITES, answer=UserView, body=UserChange, conditional=True),
]
