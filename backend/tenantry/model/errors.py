"""Errors as data: one exception type, a closed set of codes, and field errors with their paths.

Three small tables elsewhere map a :class:`Code` to an HTTP answer (``web/errors.py``), to a requeue decision
(``tenantry_operator/errors.py``) and to a process exit code (``cli/exits.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class FieldCode(StrEnum):
    """Why a field is wrong; the values are Kubernetes' ``CauseType`` constants (apimachinery ``metav1``)."""

    REQUIRED = "FieldValueRequired"
    INVALID = "FieldValueInvalid"
    TYPE_INVALID = "FieldValueTypeInvalid"
    NOT_SUPPORTED = "FieldValueNotSupported"
    FORBIDDEN = "FieldValueForbidden"
    DUPLICATE = "FieldValueDuplicate"
    NOT_FOUND = "FieldValueNotFound"
    TOO_LONG = "FieldValueTooLong"
    TOO_MANY = "FieldValueTooMany"
    MANAGER_CONFLICT = "FieldManagerConflict"
    RESOURCE_VERSION_TOO_LARGE = "ResourceVersionTooLarge"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: ``path`` as Kubernetes writes it (``spec.namespaces[0].name``), and what to do."""

    path: str
    code: FieldCode
    message: str


class Code(StrEnum):
    """The stable error codes of the product, as they stand in problem documents and audit rows."""

    BAD_REQUEST = "bad_request"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_ACCEPTABLE = "not_acceptable"
    ALREADY_EXISTS = "already_exists"
    CONFLICT = "conflict"
    MANAGED_ELSEWHERE = "managed_elsewhere"
    NAME_TOMBSTONED = "name_tombstoned"
    SECRET_ALREADY_SHOWN = "secret_already_shown"  # noqa: S105 - a code, not a secret
    EXPIRED = "expired"
    PRECONDITION_FAILED = "precondition_failed"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    INVALID = "invalid"
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch"
    DELETION_PROTECTED = "deletion_protected"
    IN_USE = "in_use"
    MISDIRECTED = "misdirected"
    TOO_MANY_REQUESTS = "too_many_requests"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"


class TenantryError(Exception):
    """Something a caller did, or may not do, or must wait for.

    Args:
        code: the stable code.
        message: one sentence that says where and what to do.
        fields: the wrong fields, when the error is about a document.
        kind: the kind it is about, if any (``Tenant``).
        name: the object's name, if any.
        retry_after: seconds after which to try again, when waiting helps.
        raced: another write was faster, and the same one computed again may succeed.
    """

    def __init__(  # noqa: PLR0913 - one keyword per part of a Kubernetes Status
        self,
        code: Code,
        message: str,
        fields: Sequence[FieldError] = (),
        *,
        kind: str = "",
        name: str = "",
        retry_after: int | None = None,
        raced: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fields = tuple(fields)
        self.kind = kind
        self.name = name
        self.retry_after = retry_after
        self.raced = raced
