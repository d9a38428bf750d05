"""Who did what to which object: the row that is written in the same transaction as the change itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from tenantry.model.diff import diff


class Result(StrEnum):
    """How an audited action ended."""

    OK = "ok"
    DENIED = "denied"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One audit row.

    ``actor`` is the principal's stable name (``key:<id>``, ``serviceaccount:<cluster>:<ns>:<name>``, ``local-admin``);
    ``on_behalf_of`` is the person for whom a client or key did it;
    ``diff`` is what :func:`describe` says of it, never a secret. ``seq`` is the change it belongs to, 0 for none.
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
    on_behalf_of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which rows; an empty part lets everything pass."""

    tenant_id: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""
    actor: str = ""
    action: str = ""
    result: str = ""


EVERYTHING = Filter()


REDACTED = "[redacted]"
#: changes that one row tells of, and bytes of JSON of a value that it tells whole
MOST_CHANGES = 100
LONGEST_VALUE = 512

_SECRET = re.compile(
    r"pass(word|wd|phrase)|secret|token|credential|authorization|(private|api|access).?key", re.IGNORECASE
)
#: user and password in a URL
_USERINFO = re.compile(r"(?<=://)[^/@\s]+(?=@)")


def describe(before: Any, after: Any) -> str:
    """What differs between two JSON trees, as the ``diff`` of a row: ``{"changes": [{path, before, after}], "more"}``.

    ``before`` or ``after`` is left out where there was or is nothing, ``more`` counts the changes beyond
    :data:`MOST_CHANGES`. Whatever is called like a secret is replaced, a long value is cut off and becomes text.
    """
    changes = diff(before, after)
    if not changes:
        return "{}"
    told = [
        {"path": path}
        | {
            side: _shorten(REDACTED if _SECRET.search(path) else _redact(value))
            for side, value in (("before", old), ("after", new))
            if value is not None
        }
        for path, old, new in changes[:MOST_CHANGES]
    ]
    more = {"more": len(changes) - MOST_CHANGES} if len(changes) > MOST_CHANGES else {}
    return orjson.dumps({"changes": told} | more).decode()


def _redact(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: REDACTED if _SECRET.search(name) else _redact(value) for name, value in tree.items()}
    if isinstance(tree, list):
        return [_redact(item) for item in tree]
    return _USERINFO.sub(REDACTED, tree) if isinstance(tree, str) else tree


def _shorten(value: Any) -> Any:
    text = orjson.dumps(value).decode()
    return value if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."
