"""Answers to requests that carried an Idempotency-Key, kept in the transaction that they answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import peewee

from tenantry.model.errors import Code, TenantryError
from tenantry.storage import tables
from tenantry.storage.expiry import Expiry
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_table = tables.Idempotency
_INSERT = Statement(
    _table.insert({
        "key": arg("key"), "request_hash": arg("request_hash"), "status": 0, "headers": "[]", "body": "", "secret": 0,
        "expires_at": arg("expires_at"),
    })
)  # fmt: skip
_GET = Statement(
    _table.select(
        _table.request_hash, _table.status, _table.headers, _table.body, _table.secret, _table.expires_at
    ).where(_table.key == arg("key"))
)
_FINISH = Statement(
    _table.update({
        "status": arg("status"), "headers": arg("headers"), "body": arg("body"), "secret": arg("secret"),
    }).where(_table.key == arg("key"))
)  # fmt: skip
_expiry = Expiry(_table.key, _table.expires_at)


@dataclass(frozen=True, slots=True)
class Answer:
    """A stored answer: HTTP status, body, and the headers that are not those of every answer.

    ``secret``, when the body lacks one that was shown the first time.
    """

    status: int
    body: str
    headers: tuple[tuple[str, str], ...] = ()
    secret: bool = False


def begin(unit: Unit, key: str, request_hash: str, *, at: int, expires_at: int) -> Answer | None:
    """Note that the request is being answered, or return the answer that it got before.

    A rival with the same key waits here until this unit ends.

    Args:
        unit: the one that does what the request asks for, and ends with :func:`finish`.
        key: SHA-256 in hex of principal, method, route and Idempotency-Key.
        request_hash: SHA-256 in hex of the request.
        at: now, in epoch microseconds: an answer that has expired by then counts for nothing.
        expires_at: until when this one counts.

    Raises:
        TenantryError: ``IDEMPOTENCY_MISMATCH``, the key was used for another request.
    """
    _expiry.forget_one(unit, key, at)
    try:
        unit.execute(_INSERT, key=key, request_hash=request_hash, expires_at=expires_at)
    except peewee.IntegrityError:
        return _answer(unit.execute(_GET, key=key).fetchone(), request_hash)
    return None


def find(unit: Unit, key: str, request_hash: str, at: int) -> Answer | None:
    """The answer that the request got before and that counts at ``at``, if any.

    Raises:
        TenantryError: as :func:`begin`.
    """
    row = unit.execute(_GET, key=key).fetchone()
    if row is None or row[-1] <= at:
        return None
    return _answer(row, request_hash)


def finish(unit: Unit, key: str, answer: Answer) -> None:
    """Keep the answer; it may name the seqs, and so may follow them."""
    headers = orjson.dumps(answer.headers).decode()
    unit.conclude(_FINISH, key=key, status=answer.status, headers=headers, body=answer.body, secret=int(answer.secret))


def _answer(row: Sequence[Any], request_hash: str) -> Answer:
    stored_hash, status, headers, body, secret, _ = row
    if stored_hash != request_hash:
        raise TenantryError(Code.IDEMPOTENCY_MISMATCH, "this Idempotency-Key was used for another request")
    return Answer(status, body, tuple((name, value) for name, value in orjson.loads(headers)), bool(secret))


def forget_expired(unit: Unit, at: int, limit: int) -> int:
    """Remove at most ``limit`` answers that have expired by ``at``, and return how many."""
    return _expiry.forget(unit, at, limit)
