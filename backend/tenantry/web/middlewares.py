"""The one middleware: request id, host check, authentication, permission, errors, metrics and access log.

One function instead of six, with everything per route bound beforehand: on the same machine a chain of four small
ones took 98-133 us of CPU a request, one took 58-80.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Middleware
from aiohttp.web_urldispatcher import AbstractRoute

from tenantry import metrics
from tenantry.logs import ACCESS, REQUEST, RequestScope
from tenantry.model.credentials import redact
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor
from tenantry.model.permissions import Permission
from tenantry.services.audit.log import AuditLog
from tenantry.services.offload import offload
from tenantry.services.refusals import RefusedError
from tenantry.web import csrf, errors
from tenantry.web.admission import Admission
from tenantry.web.client_address import client_address
from tenantry.web.cors import Cors, is_preflight
from tenantry.web.permissions import refusal
from tenantry.web.rendering import send_on, show_error
from tenantry.web.routes import ACTOR, DRAINING, STRICT, Cookie, Handler, Route
from tenantry.wiring import Services

REQUEST_ID = "X-Request-ID"
#: status in log and metrics of a request whose sender went away before the answer (nginx's number)
CLIENT_CLOSED = 499
#: route in metrics of a request that has none
UNKNOWN = "none"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
#: W3C Trace Context, version 00
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
#: what aiohttp's router and its exceptions say, in our codes
_CODES = {rendering.status: code for code, rendering in reversed(errors.TABLE.items())}
_MESSAGES = {
    Code.NOT_FOUND: "the server could not find the requested resource",
    Code.METHOD_NOT_ALLOWED: "the server does not allow this method on the requested resource",
}

#: the same, and what nobody has foreseen, on a page
_FOR_PEOPLE = {
    Code.NOT_FOUND: "there is no such page: the address is mistyped, or what it led to is gone",
    Code.METHOD_NOT_ALLOWED: "this page is not opened like that: go back, and try again",
    Code.INTERNAL: "something went wrong here, and you cannot help it: try again, and if it stays so, tell who runs "
    "this server the number below",
}

#: RFC 6797, 6.1
_YEAR = "max-age=31536000"
#: what an answer says to browsers that says nothing else: it is data, and not to be shown or kept by others
_CAREFUL = {
    "Cache-Control": "no-cache, private",  # as kube-apiserver
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}

logger = logging.getLogger(__name__)


def create_middleware(services: Services, routes: Mapping[AbstractRoute, Route], cors: Cors | None) -> Middleware:
    """The middleware for an application with these routes, which other sites' scripts may use as ``cors`` says."""
    bindings = {
        known: _Binding(known.method, route.path, route.needs, route.session, fresh=route.fresh)
        for known, route in routes.items()
    }
    unbound = _Unbound(cors)
    proxies, admission = services.settings.trusted_proxies, Admission(services)
    check_host = _host_check(services.settings.hosts)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        headers = request.headers
        scope = new_scope(headers.get(REQUEST_ID), headers.get("traceparent"))
        REQUEST.set(scope)
        address = client_address(request, proxies)
        binding = bindings.get(request.match_info.route)
        if binding is None:
            binding, handler = unbound.bind(request, handler)
        metrics.HTTP_IN_FLIGHT.value += 1
        response: web.StreamResponse | None = None
        try:
            try:
                check_host(headers.get("Host"))
                actor = await admission.admit(request, address, binding.session, is_free=binding.is_free)
                scope.actor = actor.name
                request[ACTOR] = _on_request(actor, scope.request_id, address)
                if actor.may(binding.needs):
                    response = await handler(request)
                elif binding.session is Cookie.FORM and (onward := send_on(request, fresh=binding.fresh)):
                    response = onward
                else:
                    raise await refusal(request, actor, binding.template, binding.needs)  # noqa: TRY301 - it ends like every other
            except (ConnectionError, asyncio.CancelledError):
                raise
            except web.HTTPRedirection as redirection:  # an answer, which aiohttp wants raised
                response = redirection
                raise
            except Exception as error:
                _note_denied(services.audit, request, scope.request_id, address, error)
                response = await _render(error, request, scope.request_id, binding)
                if scope.answered:
                    raise ConnectionAbortedError from error  # a second head would be read as part of the body
            return response
        finally:
            elapsed = time.perf_counter() - started
            metrics.HTTP_IN_FLIGHT.value -= 1
            status = CLIENT_CLOSED if response is None else response.status
            metrics.HTTP_REQUESTS.count(binding.template, binding.method, status)
            if response is None or not response.prepared:  # a handler that prepares its answer is a stream
                binding.observe(elapsed)
            log_access(scope, address, request.method, request.path, status, elapsed)

    return middleware


class _Binding:
    """What is known of a route before a request comes."""

    __slots__ = ("fresh", "is_free", "method", "needs", "observe", "session", "template")

    def __init__(
        self,
        method: str,
        template: str,
        needs: Permission,
        session: Cookie = Cookie.IGNORED,
        *,
        fresh: bool = False,
    ) -> None:
        self.method, self.template, self.needs, self.session = method, template, needs, session
        self.fresh = fresh
        # what is the same for everybody, such as discovery and style sheets, costs nothing and is not counted
        self.is_free = needs is Permission.PUBLIC and method in csrf.SAFE and session in {Cookie.IGNORED, Cookie.CLIENT}
        self.observe = metrics.HTTP_DURATION.series(template, method)


class _Unbound:
    """Requests that have no route."""

    def __init__(self, cors: Cors | None) -> None:
        self._cors = cors
        # a stranger learns from a Kubernetes path only that a credential is needed, as from kube-apiserver
        self._kubernetes = _Binding("any", UNKNOWN, Permission.AUTHENTICATED)
        # what an OAuth client sends there is no bearer token, and no reason to say that one is wrong
        self._oauth = _Binding("any", UNKNOWN, Permission.PUBLIC, Cookie.CLIENT)
        self._other = _Binding("any", UNKNOWN, Permission.PUBLIC)
        self._preflight = _Binding("OPTIONS", "preflight", Permission.PUBLIC)

    def bind(self, request: web.Request, handler: Handler) -> tuple[_Binding, Handler]:
        """What is known of ``request`` all the same, and what answers it."""
        if self._cors and is_preflight(request):
            return self._preflight, self._cors.preflight
        if errors.is_kubernetes(request.path):
            return self._kubernetes, handler
        return self._oauth if request.path.startswith("/oauth/") else self._other, handler


def log_access(  # noqa: PLR0913, PLR0917 - the parts of a line, in its order
    scope: RequestScope, address: str, method: str, path: str, status: int, elapsed: float, **more: str
) -> None:
    """Write the line of a request that was answered ``elapsed`` seconds after it came."""
    ACCESS.write(
        time.time(),
        {
            "request_id": scope.request_id,
            "actor": scope.actor,
            "ip": address,
            "method": method,
            "path": redact(path),
            "status": status,
            "ms": int(elapsed * 100_000) / 100,
            **more,
        },
    )


async def label_response(request: web.Request, response: web.StreamResponse) -> None:
    """Label every answer, also one that a handler has begun itself; aiohttp calls it."""
    label(response)
    if request.app[STRICT]:
        response.headers["Strict-Transport-Security"] = _YEAR
    if request.app[DRAINING].is_set():
        response.force_close()
        response.headers["Connection"] = "close"  # aiohttp has written that header before it calls us


def label(response: web.StreamResponse) -> None:
    """Put the request's id on its answer, and what browsers are to be careful with."""
    for name, value in _CAREFUL.items():
        response.headers.setdefault(name, value)
    scope = REQUEST.get()
    if scope is not None:
        response.headers[REQUEST_ID] = scope.request_id
        scope.answered = True
    response.headers["Server"] = "tenantry"  # and not which versions of what


def _on_request(actor: Actor, request_id: str, address: str) -> Actor:
    """``actor`` with the request it is acting in; written out, because ``replace`` takes four times as long."""
    return Actor(
        name=actor.name,
        groups=actor.groups,
        scopes=actor.scopes,
        permissions=actor.permissions,
        tenant_id=actor.tenant_id,
        role=actor.role,
        user_id=actor.user_id,
        session_id=actor.session_id,
        client_id=actor.client_id,
        suspended=actor.suspended,
        rate=actor.rate,
        cluster=actor.cluster,
        namespace=actor.namespace,
        request_id=request_id,
        ip=address,
    )


def _scopes() -> Callable[[str | None, str | None], RequestScope]:
    prefix, numbers = secrets.token_hex(6), itertools.count(1)

    def make(request_id: str | None, traceparent: str | None) -> RequestScope:
        if request_id is None or not _REQUEST_ID.fullmatch(request_id):
            request_id = f"{prefix}-{next(numbers):06x}"
        return RequestScope(request_id, traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else "")

    return make


#: the scope of a request from its ``X-Request-ID`` and ``traceparent``; an id that it lacks is made up
new_scope = _scopes()


def _host_check(allowed: frozenset[str]) -> Callable[[str | None], None]:
    """Refuses a request that is addressed to somebody else: DNS rebinding, a proxy gone astray (RFC 9110, 7.4)."""

    @lru_cache(maxsize=64)
    def check(host: str | None) -> None:
        if host is None:
            raise TenantryError(Code.BAD_REQUEST, "the request has no Host header")
        name, colon, port = host.lower().rpartition(":")
        if not colon or not port.isdigit():
            name = host.lower()
        if name.strip("[]") not in allowed:
            message = f"this server does not answer for the host {host}: TENANTRY_ALLOWED_HOSTS can name it"
            raise TenantryError(Code.MISDIRECTED, message)

    return check


def _note_denied(audit: AuditLog, request: web.Request, request_id: str, address: str, error: Exception) -> None:
    """Have it told in the audit log when ``error`` refuses somebody who is known."""
    if isinstance(error, RefusedError):
        actor = _on_request(error.actor, request_id, address)
        audit.note_denied(actor, request.method, request.path, error)
    elif isinstance(error, TenantryError) and errors.TABLE[error.code].status == HTTPStatus.FORBIDDEN:
        audit.note_denied(request[ACTOR], request.method, request.path, error)


def _is_for_a_person(request: web.Request, binding: _Binding) -> bool:
    """Whether a browser shows the answer to somebody: on a page, or who has followed a link or typed a path."""
    if binding.session is Cookie.FORM:
        return True
    is_of_an_api = request.path.startswith("/v1/") or errors.is_kubernetes(request.path)
    is_open = binding.needs is Permission.PUBLIC and not is_of_an_api
    return is_open and "text/html" in request.headers.get("Accept", "")


async def _render(error: Exception, request: web.Request, request_id: str, binding: _Binding) -> web.Response:
    """The answer to whatever a handler raised, or what comes before it."""
    told = _told(error, request_id)
    if _is_for_a_person(request, binding):
        shown = told if isinstance(error, TenantryError) else _for_people(told)
        response = show_error(request, shown, request_id)
    else:
        # a large document may have as many mistakes
        size = [told.message, *((field.path, field.message) for field in told.fields)]
        response = await offload(size, errors.render, told, request.path, request_id)
    if isinstance(error, web.RequestPayloadError):
        response.force_close()  # nobody knows where the next request would begin
    if isinstance(error, web.HTTPException) and "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def _for_people(told: TenantryError) -> TenantryError:
    return TenantryError(told.code, _FOR_PEOPLE.get(told.code, told.message))


def _told(error: Exception, request_id: str) -> TenantryError:
    """``error`` as it is told; the log has what nobody has foreseen."""
    if isinstance(error, TenantryError):
        return TenantryError(error.code, error.public, retry_after=error.retry_after) if error.public else error
    if isinstance(error, web.RequestPayloadError):
        return TenantryError(Code.BAD_REQUEST, "the body is not chunked as its Transfer-Encoding says")
    if isinstance(error, web.HTTPException):
        code = _CODES.get(error.status, Code.BAD_REQUEST)
        return TenantryError(code, _MESSAGES.get(code, error.reason))
    logger.error("unexpected error", exc_info=error)
    return TenantryError(Code.INTERNAL, f"unexpected error; the server's log has it under {request_id}")
