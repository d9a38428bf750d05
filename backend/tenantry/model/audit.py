"""Who did what to which object: the row that is written in the same transaction as the change itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """How an audited action ended."""

    OK = "ok"
    DENIED = "denied"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One audit row.

    ``actor`` is the principal's stable name (``key:<id>``, ``serviceaccount:<cluster>:<ns>:<name>``, ``local-admin``);
    ``diff`` is a redacted JSON text of what changed, never a secret. ``seq`` is the change it belongs to, 0 for none.
    """

    id: str  # UUIDv7
    at: int  # epoch microseconds
    actor: str
    action: str  # create, update, patch, delete, rollback, undelete, key.create, ...
    kind: str = ""
    namespace: str = ""
    name: str = ""
    tenant_id: str = ""
    result: Result = Result.OK
    seq: int = 0
    request_id: str = ""
    ip: str = ""
    message: str = ""
    diff: str = "{}"
