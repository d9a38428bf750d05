"""What a person lets OAuth clients have, below ``/v1/me``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tenantry.model.fields import View
from tenantry.model.permissions import Permission
from tenantry.model.resource import timestamp
from tenantry.web.conventions import Call, Nothing, Reply, endpoint

_PATH = "/v1/me/grants"


class GrantView(View):
    """What you let one client have."""

    client_id: Annotated[str, Field(alias="clientID")]
    """The client."""
    client_name: str | None = None
    """Its name, for people; left out when the client is gone."""
    scopes: list[str]
    """What it may do for you, as far as you may yourself."""
    granted_at: str
    """When you first let it, as RFC 3339."""


class GrantList(View):
    """What you let all clients have, ordered by client."""

    items: list[GrantView]
    """One for each client."""


async def list_grants(call: Call[Nothing, Nothing]) -> Reply:
    """List the OAuth clients that may act for you."""
    items = []
    for consent in await call.services.oauth.grants(call.actor):
        found = await call.services.standing.client(consent.client_id)
        view = GrantView(
            client_id=consent.client_id,
            client_name=found.client.name if found else None,
            scopes=list(consent.scopes),
            granted_at=timestamp(consent.created_at),
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
