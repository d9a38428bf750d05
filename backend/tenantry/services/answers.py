"""Answers that are given once: a request with an Idempotency-Key is done in the transaction that keeps its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, update_wrapper
from typing import Generic, TypeVar, TypeVarTuple

from tenantry.model import ids
from tenantry.storage import idempotency
from tenantry.storage.db import Database
from tenantry.storage.idempotency import Answer
from tenantry.storage.unit import Unit

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

#: how long an answer is kept, in microseconds
LIFETIME = 24 * 3600 * 1_000_000


class ReplayedError(Exception):
    """The request was answered before; nothing was done now."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Request:
    """A request that names an Idempotency-Key. Both are SHA-256 in hex.

    Args:
        key: of principal, tenant and client, method, route and Idempotency-Key.
        content: of everything else that the request says.
    """

    key: str
    content: str


@dataclass(frozen=True, slots=True)
class Once(Generic[T]):
    """Such a request, and how its answer is made from what a unit returns."""

    request: Request
    render: Callable[[T], Answer]


async def find(db: Database, request: Request) -> Answer | None:
    """The answer that ``request`` got before, if any.

    Raises:
        TenantryError: ``IDEMPOTENCY_MISMATCH``, the key was used for another request.
    """
    return await db.run(idempotency.find, request.key, request.content, ids.now_micros())


async def run(db: Database, once: Once[T] | None, fn: Callable[[Unit, *Ts], T], *args: *Ts) -> T:
    """What ``fn`` returns from one committed write unit, in which the answer to ``once`` is kept as well.

    Raises:
        ReplayedError: a rival with the same key was faster.
    """
    if once is None:
        return await db.run(fn, *args, write=True)

    def unit_of_work(unit: Unit) -> T:
        now = ids.now_micros()
        key, content = once.request.key, once.request.content
        given = idempotency.begin(unit, key, content, at=now, expires_at=now + LIFETIME)
        if given is not None:
            raise ReplayedError(given)
        result = fn(unit, *args)
        idempotency.finish(unit, key, once.render(result))
        return result

    named = update_wrapper(unit_of_work, fn, assigned=("__module__", "__name__"), updated=())
    return await db.run(named, write=True)


async def keep(db: Database, once: Once[T] | None, result: T) -> T:
    """``result`` of a request that had nothing to write, so that even then it is answered once."""
    return await run(db, once, partial(_nothing, result)) if once else result


def _nothing(result: T, unit: Unit) -> T:
    del unit
    return result
