"""The root: for programs the paths that there are, as kube-apiserver tells them; for people the page that explains."""

from __future__ import annotations

from collections.abc import Iterable

import orjson
from aiohttp import web

from tenantry.model.permissions import Permission
from tenantry.web.routes import PLACE, Route

_PAGE = "/docs"


def route(told: Iterable[Route]) -> Route:
    """The route of the root, which tells of ``told``."""
    paths = sorted({each.path for each in told if each.method == "GET" and not PLACE.search(each.path)})
    document = orjson.dumps({"paths": paths})

    async def answer(request: web.Request) -> web.Response:
        if "text/html" in request.headers.get("Accept", ""):
            raise web.HTTPFound(_PAGE, headers={"Vary": "Accept"})
        return web.Response(body=document, content_type="application/json", headers={"Vary": "Accept"})

    return Route("GET", "/", answer, needs=Permission.PUBLIC)  # as discovery, and a browser has no token yet
