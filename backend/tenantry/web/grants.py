"""What a person lets OAuth clients have: below ``/v1/me``, and as a page of their account."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from pydantic import Field

from tenantry.model.fields import View
from tenantry.model.oauth import meaning_of
from tenantry.model.permissions import Permission
from tenantry.model.resource import timestamp
from tenantry.services.oauth.grants import Grant
from tenantry.web import pages
from tenantry.web.conventions import Call, Nothing, Reply, endpoint
from tenantry.web.pages import Form
from tenantry.web.routes import ACTOR, SERVICES
from tenantry.wiring import Services

_PATH = "/v1/me/grants"
_PAGE = "/account/grants"


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
        view = GrantView(
            client_id=grant.client_id,
            client_name=await _name(call.services, grant.client_id),
            scopes=list(grant.scopes),
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


async def _show(request: web.Request, form: Form) -> web.Response:
    del form
    services = request.app[SERVICES]
    found = await services.oauth.grants(request[ACTOR])
    notice = "It has nothing of yours any more." if request.query.get("notice") == "withdrawn" else ""
    return pages.show(request, "grants.html", grants=[await _row(services, grant) for grant in found], notice=notice)


async def _withdraw(request: web.Request, form: Form) -> web.Response:
    await request.app[SERVICES].oauth.withdraw(request[ACTOR], form.get("client", ""))
    return pages.redirect(request, f"{_PAGE}?notice=withdrawn")


async def _row(services: Services, grant: Grant) -> dict[str, object]:
    return {
        "client_id": grant.client_id,
        "name": await _name(services, grant.client_id) or "An application that is gone",
        "granted": pages.moment(grant.created_at),
        "until": pages.moment(grant.expires_at),
        "meanings": [meaning_of(scope) for scope in grant.scopes],
    }


async def _name(services: Services, client_id: str) -> str | None:
    found = await services.standing.client(client_id)
    return found.client.name if found else None


ROUTES = [
    endpoint("GET", _PATH, list_grants, needs=Permission.SELF, answer=GrantList),
    endpoint("DELETE", f"{_PATH}/{{client}}", withdraw_grant, needs=Permission.SELF, answer=GrantList),
    pages.page("GET", _PAGE, _show, needs=Permission.SELF),
    pages.page("POST", f"{_PAGE}/withdraw", _withdraw, needs=Permission.SELF),
]
