"""Errors as data: one exception type, a closed set of codes, and field errors with their paths.

Three small tables elsewhere map a :class:`Code` to an HTTP answer (``web/errors.py``), to a requeue decision
(``tenantry_operator/errors.py``) and to a process exit code (``cli/exits.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tenantry.model.credentials import redact


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
    SECOND_FACTOR_REQUIRED = "second_factor_required"
    SIGN_IN_AGAIN = "sign_in_again"
    TENANT_SUSPENDED = "tenant_suspended"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_ACCEPTABLE = "not_acceptable"
    ALREADY_EXISTS = "already_exists"
    CONFLICT = "conflict"
    MANAGED_ELSEWHERE = "managed_elsewhere"
    NAME_TOMBSTONED = "name_tombstoned"
    WRONG_INSTANCE = "wrong_instance"
    SECRET_ALREADY_SHOWN = "secret_already_shown"  # noqa: S105 - a code, not a secret
    EXPIRED = "expired"
    EXPECTATION_FAILED = "expectation_failed"
    HEADERS_TOO_LARGE = "headers_too_large"
    PRECONDITION_FAILED = "precondition_failed"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    INVALID = "invalid"
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch"
    DELETION_PROTECTED = "deletion_protected"
    IN_USE = "in_use"
    LAST_OWNER = "last_owner"
    LIMIT_REACHED = "limit_reached"
    MISDIRECTED = "misdirected"
    TOO_MANY_REQUESTS = "too_many_requests"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"


#: what a code means and what to do about it, for the reference
MEANINGS = {
    Code.BAD_REQUEST: "The request cannot be understood: a parameter, the body's syntax, an unknown field.",
    Code.UNAUTHENTICATED: "No credential, or one that is mistyped, unknown, expired or revoked. Send a valid token.",
    Code.FORBIDDEN: "The credential does not have the permission. Use one that has, or ask for it.",
    Code.SECOND_FACTOR_REQUIRED: "`TENANTRY_SECOND_FACTOR` wants a second factor of the person, and they have signed "
    "in without one. `/account/mfa` turns it on.",
    Code.SIGN_IN_AGAIN: "This takes a sign-in of the last five minutes. Sign in again, and repeat it.",
    Code.TENANT_SUSPENDED: "The tenant is suspended, for the reason that the message has. Nothing passes, or only what "
    "reads; ask who runs the platform.",
    Code.NOT_FOUND: "There is no such object or path, or the caller may not know of it.",
    Code.METHOD_NOT_ALLOWED: "The path is there, and not for this method. `Allow` has those that it is for.",
    Code.NOT_ACCEPTABLE: "None of the media types in `Accept` can be given.",
    Code.ALREADY_EXISTS: "The name is taken. Choose another, or change the object that has it.",
    Code.CONFLICT: "The object has changed since it was read, or another manager has set the field. Read it again; "
    "a server-side apply may take fields over by force.",
    Code.MANAGED_ELSEWHERE: "The object belongs to a cluster, or to the API. The message says where to change it.",
    Code.NAME_TOMBSTONED: "A deleted tenant of another owner still has the name. Wait for the purge, or take another.",
    Code.WRONG_INSTANCE: "A cluster's operator means another database than this one, and nothing was written. Point it "
    "to the right API, or move it on purpose as `k8s/README.md` says.",
    Code.SECRET_ALREADY_SHOWN: "The request was done before with this `Idempotency-Key`, and its secret is shown once. "
    "Revoke what was made, and make another.",
    Code.EXPIRED: "The resourceVersion or cursor is older than what is kept. List again, from the start.",
    Code.EXPECTATION_FAILED: "`Expect` asks for something else than `100-continue`. Leave it out.",
    Code.HEADERS_TOO_LARGE: "The request line or the headers are too large. The message has the limits.",
    Code.PRECONDITION_FAILED: "The object is no longer as `If-Match` says. Read it again and decide again.",
    Code.TOO_LARGE: "The body has more than 1.5 MiB or 65,536 values, or the object would be stored with so much. "
    "Make it smaller, or make two of it.",
    Code.UNSUPPORTED_MEDIA_TYPE: "The body is of a media type, or compressed in a way, that is not taken here.",
    Code.INVALID: "The document has wrong fields; each is named with its path and what to do.",
    Code.IDEMPOTENCY_MISMATCH: "The `Idempotency-Key` was used for another request. Use a fresh one.",
    Code.DELETION_PROTECTED: "The tenant has `deletionProtection: Enabled`. Set it to `Disabled` first.",
    Code.IN_USE: "Others refer to the object. The message says who; change those first.",
    Code.LAST_OWNER: "The last owner of a tenant, or administrator of the platform, who is not disabled cannot go. "
    "Make another first.",
    Code.LIMIT_REACHED: "There are as many of these as there may be. The message says of what, and what can go.",
    Code.MISDIRECTED: "The `Host` is none of this server's. Use its external URL, or add the host to "
    "TENANTRY_ALLOWED_HOSTS.",
    Code.TOO_MANY_REQUESTS: "The caller is over its rate limit. Wait for as long as `Retry-After` says.",
    Code.INTERNAL: "A fault of the server. Its log has the cause, by the request id.",
    Code.UNAVAILABLE: "The database is away or the server is too busy. Try again after `Retry-After`.",
    Code.TIMEOUT: "It was not done in time, and may still be; or the resourceVersion is one of the future. "
    "Look, and try again.",
}


class TenantryError(Exception):
    """Something a caller did, or may not do, or must wait for.

    Args:
        code: the stable code.
        message: one sentence that says where and what to do; credentials in it and in ``name`` are redacted, because
            errors quote what was sent, and are logged and audited.
        fields: the wrong fields, when the error is about a document.
        kind: the kind it is about, if any (``Tenant``).
        name: the object's name, if any.
        retry_after: seconds after which to try again, when waiting helps.
        raced: another write was faster, and the same one computed again may succeed.
        resume: what a list can be continued with all the same, in the place of a token that expired.
        scope: what the caller's bearer token would need, and has not.
        bearer: it is the caller's bearer token that is not taken.
        public: what a client is told in the place of a message that names what stands behind the server.
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
        resume: str = "",
        scope: str = "",
        bearer: bool = False,
        public: str = "",
    ) -> None:
        self.message = redact(message)
        super().__init__(self.message)
        self.code = code
        self.fields = tuple(fields)
        self.kind = kind
        self.name = redact(name)
        self.retry_after = retry_after
        self.raced = raced
        self.resume = resume
        self.scope = scope
        self.bearer = bearer
        self.public = public
