"""What an answer that is no success says: a problem document, a Kubernetes ``Status``, or neither, as one exception."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import orjson

from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError


class UnreachableError(TenantryError):
    """The server could not be reached, or did not answer."""


_CODES, _FIELD_CODES = frozenset(Code), frozenset(FieldCode)
#: ``metav1.StatusReason`` to our code
_REASONS = {
    "BadRequest": Code.BAD_REQUEST,
    "Unauthorized": Code.UNAUTHENTICATED,
    "Forbidden": Code.FORBIDDEN,
    "NotFound": Code.NOT_FOUND,
    "MethodNotAllowed": Code.METHOD_NOT_ALLOWED,
    "NotAcceptable": Code.NOT_ACCEPTABLE,
    "AlreadyExists": Code.ALREADY_EXISTS,
    "Conflict": Code.CONFLICT,
    "Expired": Code.EXPIRED,
    "Gone": Code.EXPIRED,
    "RequestEntityTooLarge": Code.TOO_LARGE,
    "UnsupportedMediaType": Code.UNSUPPORTED_MEDIA_TYPE,
    "Invalid": Code.INVALID,
    "TooManyRequests": Code.TOO_MANY_REQUESTS,
    "InternalError": Code.INTERNAL,
    "ServiceUnavailable": Code.UNAVAILABLE,
    "Timeout": Code.TIMEOUT,
    "ServerTimeout": Code.TIMEOUT,
}
#: the reason of a cause to our code, where it says more than that of the Status
_CAUSES = {"InUse": Code.IN_USE, "DeletionProtected": Code.DELETION_PROTECTED}
#: for an answer that carries neither document: one of a proxy
_STATUSES: dict[int, Code] = {
    HTTPStatus.BAD_REQUEST: Code.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED: Code.UNAUTHENTICATED,
    HTTPStatus.FORBIDDEN: Code.FORBIDDEN,
    HTTPStatus.NOT_FOUND: Code.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED: Code.METHOD_NOT_ALLOWED,
    HTTPStatus.CONFLICT: Code.CONFLICT,
    HTTPStatus.GONE: Code.EXPIRED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Code.TOO_LARGE,
    HTTPStatus.TOO_MANY_REQUESTS: Code.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY: Code.UNAVAILABLE,
    HTTPStatus.SERVICE_UNAVAILABLE: Code.UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT: Code.TIMEOUT,
}


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> TenantryError:
    """The error that an answer of ``status`` is."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    retry_after = headers.get("Retry-After", "")
    seconds = int(retry_after) if retry_after.isdecimal() else None
    if not isinstance(document, dict):
        text = body[:200].decode(errors="replace").strip()
        return TenantryError(_code_of(status), f"the server answered {status}: {text}", retry_after=seconds)
    if document.get("kind") == "Status":
        return read_status(document, seconds)
    code = document.get("code")
    return TenantryError(
        Code(code) if code in _CODES else _code_of(status),
        str(document.get("detail") or document.get("title") or f"the server answered {status}"),
        _fields(document.get("errors") or (), path="path", code="code"),
        retry_after=seconds,
    )


def read_status(document: Mapping[str, Any], retry_after: int | None = None) -> TenantryError:
    """The error that a ``kind: Status`` is, which is also what a watch sends as the object of an ERROR event."""
    details = document.get("details") or {}
    causes = details.get("causes") or ()
    told = [cause for cause in causes if cause.get("reason") in _CAUSES]
    code = _REASONS.get(str(document.get("reason")), _code_of(int(document.get("code") or 500)))
    return TenantryError(
        _CAUSES[told[0]["reason"]] if told else code,
        str(document.get("message") or document.get("reason") or "the server gave no reason"),
        _fields([cause for cause in causes if cause not in told], path="field", code="reason"),
        kind=str(details.get("kind") or ""),
        name=str(details.get("name") or ""),
        retry_after=retry_after if retry_after is not None else details.get("retryAfterSeconds"),
    )


def _fields(causes: Iterable[Mapping[str, Any]], *, path: str, code: str) -> list[FieldError]:
    return [
        FieldError(
            str(cause.get(path, "")),
            FieldCode(cause[code]) if cause.get(code) in _FIELD_CODES else FieldCode.INVALID,
            str(cause.get("message", "")),
        )
        for cause in causes
    ]


def _code_of(status: int) -> Code:
    fallback = Code.INTERNAL if status >= HTTPStatus.INTERNAL_SERVER_ERROR else Code.BAD_REQUEST
    return _STATUSES.get(status, fallback)
