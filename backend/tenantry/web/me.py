"""Who the server takes the caller for."""

from __future__ import annotations

import orjson
from aiohttp import web

from tenantry.model.identity import Permission
from tenantry.web.routes import ACTOR, Route


async def get_me(request: web.Request) -> web.Response:
    """The caller's name, scopes and permissions, each list sorted."""
    actor = request[ACTOR]
    document = {
        "name": actor.name,
        "tenant": actor.tenant_id or None,
        "cluster": actor.cluster or None,
        "scopes": sorted(actor.scopes),
        "permissions": sorted(actor.permissions),
    }
    return web.Response(body=orjson.dumps(document), content_type="application/json")


ROUTES = [Route("GET", "/v1/me", get_me, needs=Permission.AUTHENTICATED)]
