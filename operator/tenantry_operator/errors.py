"""What kube-apiserver's refusals are, and the one table from an error to what a reconcile does about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from tenantry.model.errors import Code, TenantryError


class KubeError(Exception):
    """A request that kube-apiserver did not fulfil."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotFoundError(KubeError):
    """There is no such object, or its namespace is gone."""


class ConflictError(KubeError):
    """It exists already, is another one by now, or has changed."""


class ForbiddenError(KubeError):
    """RBAC or an admission policy said no."""


class RejectedError(KubeError):
    """The object is wrong; sending it again does not help."""


class UnavailableError(KubeError):
    """No answer, or one that says to come back later."""


_TYPES: dict[int, type[KubeError]] = {
    HTTPStatus.BAD_REQUEST: RejectedError,
    HTTPStatus.FORBIDDEN: ForbiddenError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: ConflictError,
    HTTPStatus.UNPROCESSABLE_ENTITY: RejectedError,
}
#: a server-side apply of a field that the schema does not have is answered with 500
_UNDECLARED = "failed to create typed patch object"


def read_error(code: int, status: dict[str, Any]) -> KubeError:
    """The error that an answer is: its HTTP code and its ``kind: Status``."""
    message = str(status.get("message") or f"kube-apiserver answered {code}")
    wanted = RejectedError if message.startswith(_UNDECLARED) else _TYPES.get(code, UnavailableError)
    return wanted(message)


class Again(StrEnum):
    """When a key is looked at again."""

    SOON = "soon"  # with exponential backoff: it is expected to pass
    LATER = "later"  # every minute: somebody has to do something, perhaps elsewhere
    NEVER = "never"  # when something changes, and at the next full look


def soonest(*wishes: Again) -> Again:
    """The wish that all others wait no longer for."""
    return next(again for again in (Again.SOON, Again.LATER, Again.NEVER) if again in (*wishes, Again.NEVER))


@dataclass(frozen=True, slots=True)
class Verdict:
    """``reason`` is what the condition says."""

    reason: str
    again: Again


_KUBE: dict[type[KubeError], Verdict] = {
    NotFoundError: Verdict("NotFound", Again.SOON),
    ConflictError: Verdict("Conflict", Again.SOON),
    ForbiddenError: Verdict("Forbidden", Again.SOON),
    RejectedError: Verdict("Rejected", Again.NEVER),
    UnavailableError: Verdict("ClusterUnavailable", Again.SOON),
}
_API: dict[Code, Verdict] = {
    Code.UNAVAILABLE: Verdict("DatabaseUnavailable", Again.SOON),
    Code.TIMEOUT: Verdict("DatabaseUnavailable", Again.SOON),
    Code.UNAUTHENTICATED: Verdict("Unauthenticated", Again.SOON),
    Code.FORBIDDEN: Verdict("Forbidden", Again.SOON),
    Code.TOO_MANY_REQUESTS: Verdict("TooManyRequests", Again.SOON),
    Code.CONFLICT: Verdict("Conflict", Again.SOON),
    Code.MANAGED_ELSEWHERE: Verdict("ManagedElsewhere", Again.LATER),
    Code.NAME_TOMBSTONED: Verdict("NameTombstoned", Again.LATER),
    Code.WRONG_INSTANCE: Verdict("WrongInstance", Again.LATER),
    Code.IN_USE: Verdict("InUse", Again.LATER),
    Code.LAST_OWNER: Verdict("LastOwner", Again.LATER),
    Code.DELETION_PROTECTED: Verdict("DeletionProtected", Again.LATER),
    Code.INVALID: Verdict("InvalidSpec", Again.NEVER),
    Code.TOO_LARGE: Verdict("InvalidSpec", Again.NEVER),
}


def judge(error: KubeError | TenantryError) -> Verdict:
    """What to do about ``error``."""
    if isinstance(error, KubeError):
        return _KUBE[type(error)]
    return _API.get(error.code, Verdict("APIError", Again.SOON))
