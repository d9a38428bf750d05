"""Cross-origin requests of browsers (Fetch Standard, 3.2): for the origins that the settings list, and no other.

Pages and their forms are never among it: what reads them has the session's CSRF token.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from aiohttp import web
from aiohttp.web_urldispatcher import AbstractRoute

from tenantry.web.routes import Cookie, Route

_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
_TAKEN = (
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-API-Key, X-CSRF-Token, "
    "X-Request-ID"
)
_SHOWN = "ETag, Retry-After, WWW-Authenticate, X-Request-ID"
_SECONDS = "600"  # that a browser may remember the answer for; Chromium takes no more than 7,200


def is_preflight(request: web.Request) -> bool:
    """Whether a browser asks what another site's script may send."""
    headers = request.headers
    return request.method == "OPTIONS" and "Origin" in headers and "Access-Control-Request-Method" in headers


class Cors:
    """What scripts of other ``origins`` may do with ``routes``."""

    def __init__(self, origins: AbstractSet[str], routes: Mapping[AbstractRoute, Route]) -> None:
        self._origins = origins
        self._pages = {known for known, route in routes.items() if route.session is Cookie.FORM}

    async def preflight(self, request: web.Request) -> web.Response:
        """The answer to a preflight, which carries no credential; :meth:`label` tells whether the origin is listed."""
        headers = {
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": _TAKEN,
            "Access-Control-Max-Age": _SECONDS,
        }
        return web.Response(status=204, headers=headers if request.headers["Origin"] in self._origins else None)

    async def label(self, request: web.Request, response: web.StreamResponse) -> None:
        """Let a listed origin read ``response``; aiohttp calls it for every answer, streams and errors too."""
        if request.match_info.route in self._pages:
            return
        response.headers.add("Vary", "Origin")
        origin = request.headers.get("Origin", "")
        if origin in self._origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Credentials"] = "true"
            response.headers["Access-Control-Expose-Headers"] = _SHOWN
