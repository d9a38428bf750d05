"""Errors as answers: one table from code to HTTP status and Kubernetes reason, and the three styles of body.

Below the Kubernetes paths an error is a ``Status`` with kube-apiserver's words (apimachinery
``pkg/api/errors/errors.go``), where OAuth clients ask it is as RFC 6749, 5.2, has it, elsewhere a problem document
(RFC 9457).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web

from tenantry.model.errors import Code, TenantryError
from tenantry.model.jsontree import mend
from tenantry.model.kinds import BY_NAME
from tenantry.model.quoting import quote
from tenantry.model.resource import GROUP

#: endpoints that OAuth clients send forms to
OAUTH = frozenset({"/oauth/token", "/oauth/revoke", "/oauth/introspect", "/oauth/device_authorization"})
#: what an ``error_description`` never has (RFC 6749, 5.2)
_UNDESCRIBED = re.compile(r"[^\x20-\x21\x23-\x5B\x5D-\x7E]")
#: paths that Kubernetes clients ask for, whose errors they read as a ``Status``
KUBERNETES = ("/", "/apis", "/api", "/version", "/openapi")


@dataclass(frozen=True, slots=True)
class Rendering:
    """How one code looks.

    ``text`` is what kube-apiserver makes of the message when the error names an object; ``cause`` stands in ``details``
    where the reason is that of another code, as its own `NamespaceTerminating` of what is forbidden.
    """

    status: int
    reason: str
    title: str
    text: str = "{message}"
    cause: str = ""


_CONFLICT = "Operation cannot be fulfilled on {resource} {name}: {message}"
_FORBIDDEN = "{resource} {name} is forbidden: {message}"

TABLE: dict[Code, Rendering] = {
    Code.BAD_REQUEST: Rendering(400, "BadRequest", "Bad request"),
    Code.UNAUTHENTICATED: Rendering(401, "Unauthorized", "Not authenticated"),
    Code.FORBIDDEN: Rendering(403, "Forbidden", "Forbidden", _FORBIDDEN),
    Code.SECOND_FACTOR_REQUIRED: Rendering(403, "Forbidden", "Second factor required"),
    Code.SIGN_IN_AGAIN: Rendering(403, "Forbidden", "Sign in again"),
    Code.DELETION_PROTECTED: Rendering(403, "Forbidden", "Protected against deletion", _FORBIDDEN, "DeletionProtected"),
    Code.TENANT_SUSPENDED: Rendering(403, "Forbidden", "Tenant suspended"),
    Code.NOT_FOUND: Rendering(404, "NotFound", "Not found", "{resource} {name} not found"),
    Code.METHOD_NOT_ALLOWED: Rendering(405, "MethodNotAllowed", "Method not allowed"),
    Code.NOT_ACCEPTABLE: Rendering(406, "NotAcceptable", "Not acceptable"),
    Code.ALREADY_EXISTS: Rendering(409, "AlreadyExists", "Already exists", "{resource} {name} already exists"),
    Code.CONFLICT: Rendering(409, "Conflict", "Conflict", _CONFLICT),
    Code.MANAGED_ELSEWHERE: Rendering(409, "Conflict", "Managed elsewhere", _CONFLICT),
    Code.NAME_TOMBSTONED: Rendering(409, "Conflict", "Name still taken", _CONFLICT),
    Code.WRONG_INSTANCE: Rendering(409, "Conflict", "Wrong instance"),
    Code.IN_USE: Rendering(403, "Forbidden", "In use", _FORBIDDEN, "InUse"),
    Code.LAST_OWNER: Rendering(409, "Conflict", "Last owner"),
    Code.LIMIT_REACHED: Rendering(409, "Conflict", "Limit reached"),
    Code.SECRET_ALREADY_SHOWN: Rendering(409, "Conflict", "Secret was shown already"),
    Code.EXPIRED: Rendering(410, "Expired", "Expired"),
    Code.PRECONDITION_FAILED: Rendering(412, "Conflict", "Precondition failed"),
    Code.TOO_LARGE: Rendering(413, "RequestEntityTooLarge", "Too large"),
    Code.UNSUPPORTED_MEDIA_TYPE: Rendering(415, "UnsupportedMediaType", "Unsupported media type"),
    Code.EXPECTATION_FAILED: Rendering(417, "", "Expectation failed"),
    Code.MISDIRECTED: Rendering(421, "", "Misdirected request"),
    Code.INVALID: Rendering(422, "Invalid", "Invalid"),
    Code.IDEMPOTENCY_MISMATCH: Rendering(422, "Invalid", "Idempotency key used for another request"),
    Code.TOO_MANY_REQUESTS: Rendering(429, "TooManyRequests", "Too many requests"),
    Code.HEADERS_TOO_LARGE: Rendering(431, "", "Headers too large"),
    Code.INTERNAL: Rendering(500, "InternalError", "Internal error"),
    Code.UNAVAILABLE: Rendering(503, "ServiceUnavailable", "Unavailable"),
    Code.TIMEOUT: Rendering(504, "Timeout", "Timeout", "Timeout: {message}"),
}


def is_kubernetes(path: str) -> bool:
    """Whether the clients of ``path`` read errors as a ``Status``."""
    return path in KUBERNETES or path.startswith(_BELOW)


_BELOW = tuple(f"{path}/" for path in KUBERNETES if path != "/")


def render(error: TenantryError, path: str, request_id: str) -> web.Response:
    """The answer that ``error`` is on ``path``."""
    rendering = TABLE[error.code]
    if is_kubernetes(path):
        body, content_type = status_of(error), "application/json"
    elif path in OAUTH:
        body, content_type = _oauth_error_of(error), "application/json"
    else:
        body, content_type = problem_of(error, request_id), "application/problem+json"
    response = web.Response(body=orjson.dumps(body), status=rendering.status, content_type=content_type)
    if path in OAUTH:
        response.headers["Cache-Control"] = "no-store"
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if challenge := _challenge(error):
        response.headers["WWW-Authenticate"] = challenge
    return response


def _challenge(error: TenantryError) -> str:
    """What is wrong with the bearer token, as RFC 6750, 3.1 has it: who sent none is told of no error."""
    if error.code is Code.UNAUTHENTICATED:
        return 'Bearer realm="tenantry"' + (', error="invalid_token"' if error.bearer else "")
    return f'Bearer realm="tenantry", error="insufficient_scope", scope="{error.scope}"' if error.scope else ""


def status_of(error: TenantryError) -> dict[str, Any]:
    """``error`` as a ``kind: Status`` of ``v1``; also what a watch sends as the object of an ERROR event."""
    rendering = TABLE[error.code]
    details = _details(error, rendering)
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {"continue": error.resume} if error.resume else {},
        "status": "Failure",
        "message": _message(error, rendering),
        **({"reason": rendering.reason} if rendering.reason else {}),
        **({"details": details} if details else {}),
        "code": rendering.status,
    }
    return _sendable(status)


def problem_of(error: TenantryError, request_id: str) -> dict[str, Any]:
    """``error`` as a problem document (RFC 9457)."""
    rendering = TABLE[error.code]
    problem: dict[str, Any] = {
        "type": f"https://{GROUP}/errors/{error.code}",
        "title": rendering.title,
        "status": rendering.status,
        "detail": error.message,
        "code": error.code,
    }
    if error.fields:
        problem["errors"] = [
            {"path": field.path, "code": field.code, "message": field.message} for field in error.fields
        ]
    problem["request_id"] = request_id
    return _sendable(problem)


def _oauth_error_of(error: TenantryError) -> dict[str, Any]:
    """``error`` as a client of OAuth reads it: whether to try again, or to ask in another way."""
    status = TABLE[error.code].status
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        code = "server_error"
    elif error.code in {Code.TOO_MANY_REQUESTS, Code.UNAVAILABLE, Code.TIMEOUT}:
        code = "temporarily_unavailable"
    else:
        code = "invalid_request"
    return {"error": code, "error_description": _UNDESCRIBED.sub("?", error.message)}


def _sendable(body: dict[str, Any]) -> dict[str, Any]:
    """``body``, which may quote a header that is not UTF-8: aiohttp decodes such bytes to half surrogate pairs."""
    mended: dict[str, Any] = mend(body)
    return mended


def _details(error: TenantryError, rendering: Rendering) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if error.name:
        details["name"] = error.name
    # NewInvalid names the kind, every other constructor of apimachinery the resource
    if error.kind and error.code is Code.INVALID:
        details |= {"group": _group(error.kind), "kind": error.kind}
    elif error.kind in BY_NAME:
        details |= {"group": GROUP, "kind": BY_NAME[error.kind].plural}
    causes = [
        {"reason": field.code, "message": field.message} | ({"field": field.path} if field.path else {})
        for field in error.fields
    ]
    if rendering.cause:
        causes.append({"reason": rendering.cause, "message": error.message})
    if causes:
        details["causes"] = causes
    if error.retry_after:
        details["retryAfterSeconds"] = error.retry_after
    return details


def _message(error: TenantryError, rendering: Rendering) -> str:
    kind = BY_NAME.get(error.kind)
    if error.kind and error.code is Code.INVALID and error.fields:
        return f"{error.kind}.{_group(error.kind)} {quote(error.name)} is invalid: {_aggregate(error)}"
    text = rendering.text
    if text is _FORBIDDEN and not error.name:  # a whole collection
        text = "{resource} is forbidden: {message}"
    if ("{resource}" in text and not kind) or ("{name}" in text and not error.name):
        return error.message
    return text.format(resource=kind and kind.qualified, name=quote(error.name), message=error.message)


def _group(kind: str) -> str:
    """The API group of what is invalid: a resource, or the options of a request."""
    return "meta.k8s.io" if kind.endswith("Options") else GROUP


def _aggregate(error: TenantryError) -> str:
    """The field errors as ``field.ErrorList.ToAggregate`` prints them: once each, in brackets unless alone."""
    texts = list(dict.fromkeys(f"{field.path}: {field.message}" for field in error.fields))
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
