"""Forms by which clients ask for one of our pages, as they do by links (OpenID Connect Core, 3.1.2.1; Logout, 2)."""

from __future__ import annotations

from urllib.parse import urlencode

from aiohttp import web

from tenantry.model.permissions import Permission
from tenantry.web import rendering
from tenantry.web.oauth.parameters import read_form
from tenantry.web.routes import Cookie, Route


def forwarding(path: str) -> Route:
    """The route by which the browser is sent on to the page at ``path`` by GET, with what the form says.

    With a POST from another site it sends no cookie (``SameSite=Lax``); after a redirect to a GET it does.
    """

    async def forward(request: web.Request) -> web.Response:
        return rendering.redirect(request, f"{path}?{urlencode(await read_form(request))}")

    return Route("POST", path, forward, needs=Permission.PUBLIC, session=Cookie.FORM)
