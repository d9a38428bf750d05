"""What the caller lets OAuth clients have, below ``/v1/me``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tenantry.model.fields import View
from tenantry.model.permissions import Permission
from tenantry.model.resource import timestamp
from tenantry.web.v1.conventions import Call, Nothing, Reply, endpoint

_PATH = "/v1/me/grants"


class GrantView(View):
    """What you let one client have, in all your tenants together."""

    client_id: Annotated[str, Field(alias="clientID")]
    """The client."""
    client_name: str | None = None
    """Its name, for people; left out when the client is gone."""
    scopes: list[str]
    """What it may do for you, as far as you may yourself."""
    granted_at: str
    """When you first let it, as RFC 3339."""
    expires_at: str | None = None
    """When it loses the access that it has; left out while it has none, until you sign in there again."""


class GrantList(View):
    """What you let all clients have, ordered by client."""

    items: list[GrantView]
    """One for each client."""


async def list_grants(call: Call[Nothing, Nothing]) -> Reply:
    """List the OAuth clients that may act for you."""
    items = []
    for grant in await call.services.oauth.grants(call.actor):
        found = await call.services.standing.client(grant.client_id)
        view = GrantView(
            client_id=grant.client_id,
            client_name=found.client.name if found else None,
            scopes=list(dict.fromkeys(scope for scopes in grant.places.values() for scope in scopes)),
            granted_at=timestamp(grant.created_at),
            expires_at=timestamp(grant.expires_at) if grant.expires_at else None,
        )
        items.append(view)
    return Reply(body=GrantList(items=items))


async def withdraw_grant(call: Call[Nothing, Nothing]) -> Reply:
    """Take back all that a client may do for you.

    Every token that it has of yours is refused within a second, on every replica.
    """
    await call.services.oauth.withdraw(call.actor, call.path["client"])
    return await list_grants(call)


ROUTES = [
    endpoint("GET", _PATH, list_grants, needs=Permission.SELF, answer=GrantList),
    endpoint("DELETE", f"{_PATH}/{{client}}", withdraw_grant, needs=Permission.SELF, answer=GrantList),
]
