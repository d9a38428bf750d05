"""What a route is: method, path, handler, and the permission that it needs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from tenantry.model.identity import Actor, Permission
from tenantry.wiring import Services

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: the services, in the application
SERVICES = web.AppKey("services", Services)
#: set when the server stops: a handler that streams ends then
STOPPING = web.AppKey("stopping", asyncio.Event)
#: who sends the request; on a public route somebody without any permission may
ACTOR = web.RequestKey("actor", Actor)


@dataclass(frozen=True, slots=True)
class Route:
    """One entry of a module's ``ROUTES``.

    Args:
        method: HTTP method; GET answers HEAD too.
        path: template as aiohttp has it (``/apis/.../tenants/{name}``); it is also the label of the metrics.
        handler: what answers.
        needs: the permission that the caller must hold. There is no default: :attr:`Permission.PUBLIC` is spelled out.
    """

    method: str
    path: str
    handler: Handler
    needs: Permission

    def __post_init__(self) -> None:
        if not isinstance(self.needs, Permission):
            raise TypeError(f"{self.method} {self.path}: needs= must be a Permission, not {self.needs!r}")
