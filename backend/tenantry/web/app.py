"""The application: the routes of all packages behind the one middleware."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

import aiohttp_jinja2
from aiohttp import web
from aiohttp.web_urldispatcher import AbstractRoute, Resource, UrlDispatcher

from tenantry.addresses import is_loopback
from tenantry.model.limits import MAX_BYTES
from tenantry.web import rendering, root
from tenantry.web.cors import Cors
from tenantry.web.kubernetes import routes as kubernetes
from tenantry.web.middlewares import create_middleware, label_response
from tenantry.web.oauth import routes as oauth
from tenantry.web.pages import routes as pages
from tenantry.web.routes import DRAINING, PLACE, SERVICES, STOPPING, STRICT, Route
from tenantry.web.v1 import docs, openapi
from tenantry.web.v1 import routes as v1
from tenantry.wiring import Services

_TABLES: tuple[Route, ...] = (*kubernetes.ROUTES, *v1.ROUTES, *pages.ROUTES, *oauth.ROUTES)
_TOLD: tuple[Route, ...] = (*_TABLES, openapi.route(_TABLES), *docs.routes(_TABLES))
#: every route of the server
ROUTES: tuple[Route, ...] = (*_TOLD, root.route(_TOLD))


def create_app(services: Services, routes: Iterable[Route] = ROUTES) -> web.Application:
    """The application that answers ``routes`` with ``services``."""
    app = web.Application(client_max_size=MAX_BYTES)
    app[SERVICES] = services
    app[DRAINING], app[STOPPING] = asyncio.Event(), asyncio.Event()
    external = urlsplit(services.settings.external_url)
    app[STRICT] = external.scheme == "https" and not is_loopback(external.hostname or "")
    app.on_response_prepare.append(label_response)
    app.on_shutdown.append(_stop_streams)
    app[aiohttp_jinja2.APP_KEY] = rendering.environment()
    docs.prepare(rendering.environment())
    table = _table(tuple(routes))
    for resource in table.resources:
        app.router.register_resource(resource)
    cors = Cors(services.settings.cors_origins, table.known) if services.settings.cors_origins else None
    if cors:
        app.on_response_prepare.append(cors.label)
    app.middlewares.append(create_middleware(services, table.known, cors))
    return app


async def _stop_streams(app: web.Application) -> None:
    app[STOPPING].set()


def _pattern(path: str) -> str:
    """``path`` for the router: below ``/v1`` a colon ends a name, as an action follows it (``{name}:undelete``)."""
    return PLACE.sub(r"{\1:[^/:]+}", path) if path.startswith("/v1/") else path


@dataclass(frozen=True, slots=True)
class _Table:
    """Routes as the router has them, which know nothing of an application: all that have the same may share them."""

    resources: tuple[Resource, ...]
    known: Mapping[AbstractRoute, Route]


@lru_cache(maxsize=4)
def _table(routes: tuple[Route, ...]) -> _Table:
    router = UrlDispatcher()
    resources: dict[str, Resource] = {}
    known: dict[AbstractRoute, Route] = {}
    for route in routes:
        resource = resources.get(route.path)
        if resource is None:
            resource = resources[route.path] = router.add_resource(_pattern(route.path))
        for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
            known[resource.add_route(method, route.handler)] = route
    return _Table(tuple(resources.values()), known)
