"""The application: the route tables of all modules behind the one middleware."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.web_urldispatcher import AbstractRoute, Resource

from tenantry.addresses import is_loopback
from tenantry.model.limits import MAX_BYTES
from tenantry.web import (
    account,
    audit,
    clients,
    discovery,
    docs,
    explain,
    federation,
    grants,
    history,
    identities,
    invite,
    invites,
    keys,
    kubernetes_openapi,
    me,
    members,
    my_access,
    my_address,
    my_keys,
    my_sign_in,
    my_tenants,
    objects,
    openapi,
    pages,
    passwords,
    providers,
    records,
    registration,
    resources,
    reviews,
    root,
    service_accounts,
    setup,
    sign_in,
    sign_up,
    tombstones,
    users,
    webhooks,
)
from tenantry.web.cors import Cors
from tenantry.web.middlewares import create_middleware, label_response
from tenantry.web.oauth import routes as oauth
from tenantry.web.routes import DRAINING, PLACE, SERVICES, STOPPING, STRICT, Route
from tenantry.wiring import Services

_TABLES: tuple[Route, ...] = (
    *discovery.ROUTES,
    *kubernetes_openapi.ROUTES,
    *resources.ROUTES,
    *reviews.ROUTES,
    *me.ROUTES,
    *users.ROUTES,
    *members.ROUTES,
    *invites.ROUTES,
    *identities.ROUTES,
    *service_accounts.ROUTES,
    *my_sign_in.ROUTES,
    *objects.ROUTES,
    *sign_up.ROUTES,
    *history.ROUTES,
    *audit.ROUTES,
    *explain.ROUTES,
    *tombstones.ROUTES,
    *keys.ROUTES,
    *providers.ROUTES,
    *federation.ROUTES,
    *webhooks.ROUTES,
    *records.ROUTES,
    *pages.ROUTES,
    *sign_in.ROUTES,
    *setup.ROUTES,
    *invite.ROUTES,
    *passwords.ROUTES,
    *registration.ROUTES,
    *account.ROUTES,
    *my_access.ROUTES,
    *my_address.ROUTES,
    *my_keys.ROUTES,
    *my_tenants.ROUTES,
    *clients.ROUTES,
    *grants.ROUTES,
    *oauth.ROUTES,
)
_TOLD: tuple[Route, ...] = (*_TABLES, openapi.route(_TABLES), *docs.routes(_TABLES))
#: every route of the server; a new module adds its table above
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
    docs.prepare(pages.prepare(app))
    known = _register(app, routes)
    cors = Cors(services.settings.cors_origins, known) if services.settings.cors_origins else None
    if cors:
        app.on_response_prepare.append(cors.label)
    app.middlewares.append(create_middleware(services, known, cors))
    return app


async def _stop_streams(app: web.Application) -> None:
    app[STOPPING].set()


def _pattern(path: str) -> str:
    """``path`` for the router: below ``/v1`` a colon ends a name, as an action follows it (``{name}:undelete``)."""
    return PLACE.sub(r"{\1:[^/:]+}", path) if path.startswith("/v1/") else path


def _register(app: web.Application, routes: Iterable[Route]) -> dict[AbstractRoute, Route]:
    resources: dict[str, Resource] = {}
    known: dict[AbstractRoute, Route] = {}
    for route in routes:
        resource = resources.get(route.path)
        if resource is None:
            resource = resources[route.path] = app.router.add_resource(_pattern(route.path))
        for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
            known[resource.add_route(method, route.handler)] = route
    return known
