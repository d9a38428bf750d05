"""From a request's credential to an actor: a bearer token, or the cookie of a browser session."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

from tenantry.model import ids
from tenantry.model.credentials import Prefix
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor, Session
from tenantry.services.refusals import RefusedError
from tenantry.web import csrf
from tenantry.web.routes import ACTOR, SERVICES, Cookie
from tenantry.wiring import Services

#: who sends a request without a credential: may see public routes, as in Kubernetes
ANONYMOUS = Actor(name="system:anonymous", groups=("system:unauthenticated",))
#: the cookie of a browser session: bound to this host and to TLS, and read by no script (RFC 6265bis, 4.1.3.2)
SESSION_COOKIE = "__Host-tenantry"


class Credentials:
    """Reads the credential of each request."""

    def __init__(self, services: Services) -> None:
        self._authenticator = services.authenticator
        settings = services.settings
        self._origins = settings.cors_origins.union(filter(None, [origin(settings.external_url)]))

    def are_unknown(self, request: web.Request, cookie: Cookie) -> bool:
        """Whether ``request`` carries a credential that was not found good before."""
        token = _find(request, cookie)
        return token is not None and not self._authenticator.knows(token)

    async def read(self, request: web.Request, address: str, cookie: Cookie) -> Actor:
        """The actor whose bearer token (RFC 6750) or session ``request`` carries, :data:`ANONYMOUS` without one.

        Raises:
            TenantryError: ``UNAUTHENTICATED``, the credential is not valid now; ``UNAVAILABLE``, that cannot be told.
            RefusedError: ``FORBIDDEN`` too, another site may have made the browser send the request.
        """
        token = _find(request, cookie)
        if token is None:
            return ANONYMOUS
        if not token.startswith(Prefix.SESSION):
            try:
                return await self._authenticator.authenticate(token, address)
            except TenantryError as error:
                error.bearer = error.code is Code.UNAUTHENTICATED and bool(token)
                raise
        try:
            actor = await self._authenticator.authenticate(token, address)
        except TenantryError as error:
            if cookie is Cookie.FORM and error.code is Code.UNAUTHENTICATED:
                return ANONYMOUS
            raise
        if cookie is Cookie.COUNTS and request.method not in csrf.SAFE:
            try:
                csrf.check_origin(request, self._origins)
                csrf.check_token(token, request.headers.get(csrf.HEADER, ""))
            except TenantryError as error:
                raise RefusedError(error.message, actor, error.code) from None
        return actor


async def lapse(request: web.Request) -> TenantryError:
    """Wait until the credential of ``request``, which was authenticated, is no longer good; returns why."""
    header = request.headers.get("Authorization")
    token = _token(header) if header is not None else request.cookies[SESSION_COOKIE]
    return await request.app[SERVICES].authenticator.lapse(token, request[ACTOR].ip)


async def recent_session(request: web.Request) -> Session | None:
    """The same, or which has begun a moment ago where their identity provider never tells when it asked."""
    session = await request.app[SERVICES].standing.session(request[ACTOR].session_id)
    return session if session and session.is_recent(ids.now_micros()) else None


async def asks_anew(request: web.Request) -> bool:
    """Whether who must sign in again is to be asked by their identity provider: not if that never tells that it did."""
    session = await request.app[SERVICES].standing.session(request[ACTOR].session_id)
    return session is None or session.auth_time > 0


async def fresh_session(request: web.Request) -> Session | None:
    """The session of who has signed in a moment ago."""
    session = await request.app[SERVICES].standing.session(request[ACTOR].session_id)
    return session if session and session.is_fresh(ids.now_micros()) else None


def origin(url: str) -> str:
    """The origin of ``url`` (RFC 6454); empty for none."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower() if parts.netloc else ""


def _find(request: web.Request, cookie: Cookie) -> str | None:
    """The credential of ``request``; that of a browser session begins with its prefix, and no other does."""
    header = None if cookie is Cookie.CLIENT else request.headers.get("Authorization")
    if header is not None:
        return _token(header)
    session = "" if cookie in {Cookie.IGNORED, Cookie.CLIENT} else request.cookies.get(SESSION_COOKIE, "")
    return session if session.startswith(Prefix.SESSION) else None


def _token(header: str) -> str:
    scheme, _, rest = header.partition(" ")
    token = rest.strip()
    if scheme.lower() != "bearer" or token.startswith(Prefix.SESSION):
        raise TenantryError(Code.UNAUTHENTICATED, "the Authorization header must be: Bearer TOKEN")
    return token
