"""What a route is: method, path, handler, and the permission that it needs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

from aiohttp import web

from tenantry.model.fields import Model
from tenantry.model.identity import Actor
from tenantry.model.kinds import Kind
from tenantry.model.permissions import Permission
from tenantry.wiring import Services

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: a place in a path's template, which a part of a request's path takes: ``{name}``
PLACE = re.compile(r"\{(\w+)\}")
#: the services, in the application
SERVICES = web.AppKey("services", Services)
#: set before the server stops: answers end their connections then, so that clients go elsewhere
DRAINING = web.AppKey("draining", asyncio.Event)
#: whether clients reach us over TLS alone, and not on their own machine, where other programs have the same host
STRICT = web.AppKey("strict", bool)
#: set when the server stops: a handler that streams ends then
STOPPING = web.AppKey("stopping", asyncio.Event)
#: who sends the request; on a public route somebody without any permission may
ACTOR = web.RequestKey("actor", Actor)


class Cookie(Enum):
    """What a browser session's cookie is to a route."""

    IGNORED = "ignored"
    COUNTS = "counts"  # what is not safe must carry the session's CSRF token in a header
    CLIENT = "client"  # nor does a bearer token: the route itself authenticates an OAuth client
    FORM = "form"  # a page: who has no good session is a stranger, and its forms carry the token in a field


@dataclass(frozen=True, slots=True)
class Whole:
    """An answer that is a whole object of ``kind`` as its Kubernetes path has it, or a page of ``many``."""

    kind: Kind
    many: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What the OpenAPI document tells of a route beyond its method, path and permission.

    Args:
        name: ``operationId``, unique among all.
        summary: one line.
        answer: what is answered.
        description: the rest that there is to say.
        query: the query parameters.
        body: what is sent.
        status: HTTP code of a good answer.
        conditional: a write that honours ``If-Match``.
    """

    name: str
    summary: str
    answer: type[Model] | Whole
    description: str = ""
    query: type[Model] | None = None
    body: type[Model] | None = None
    status: int = 200
    conditional: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """One entry of a module's ``ROUTES``.

    Args:
        method: HTTP method; GET answers HEAD too.
        path: template as aiohttp has it (``/apis/.../tenants/{name}``); it is also the label of the metrics.
        handler: what answers.
        needs: the permission that the caller must hold. There is no default: :attr:`Permission.PUBLIC` is spelled out.
        session: whether a browser session's cookie counts, and how.
        fresh: a stranger who signs in for it does so now, also where their identity provider knows them already.
        operation: what is told of it; None for the Kubernetes paths, which ``kubernetes/openapi.py`` tells of.
    """

    method: str
    path: str
    handler: Handler
    needs: Permission
    operation: Operation | None = None
    session: Cookie = Cookie.IGNORED
    fresh: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.needs, Permission):
            raise TypeError(f"{self.method} {self.path}: needs= must be a Permission, not {self.needs!r}")
