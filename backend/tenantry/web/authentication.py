"""From a request's credential to an actor."""

from __future__ import annotations

from aiohttp import web

from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor
from tenantry.services.authentication import Authenticator
from tenantry.web.routes import ACTOR, SERVICES

#: who sends a request without a credential: may see public routes, as in Kubernetes
ANONYMOUS = Actor(name="system:anonymous", groups=("system:unauthenticated",))


async def authenticate(request: web.Request, authenticator: Authenticator, address: str) -> Actor:
    """The actor whose bearer token (RFC 6750) the request carries, :data:`ANONYMOUS` without one.

    Raises:
        TenantryError: ``UNAUTHENTICATED``, the credential is not valid now; ``UNAVAILABLE``, that cannot be told.
    """
    header = request.headers.get("Authorization")
    if header is None:
        return ANONYMOUS
    return await authenticator.authenticate(_token(header), address)


async def lapse(request: web.Request) -> TenantryError:
    """Wait until the credential of ``request``, which was authenticated, is no longer good; returns why."""
    token = _token(request.headers["Authorization"])
    return await request.app[SERVICES].authenticator.lapse(token, request[ACTOR].ip)


def _token(header: str) -> str:
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        raise TenantryError(Code.UNAUTHENTICATED, "the Authorization header must be: Bearer TOKEN")
    return token.strip()
