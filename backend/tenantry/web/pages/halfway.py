"""A sign-in whose first step is done, and whose second is to follow on a page of its own."""

from __future__ import annotations

from urllib.parse import urlencode

from aiohttp import web

from tenantry.web import rendering

#: what the page of the second step knows it by
COOKIE = "__Host-tenantry-halfway"
#: the page of the second step
PATH = "/login/mfa"


def ask_for_code(request: web.Request, token: str, wanted: str) -> web.Response:
    """Send the browser to the second step of the sign-in that ``token`` is of, and to ``wanted`` after it."""
    response = rendering.redirect(request, f"{PATH}?{urlencode({'return_to': wanted})}")
    rendering.set_cookie(response, COOKIE, token)
    return response
