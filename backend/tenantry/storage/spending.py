"""Requests that all replicas have admitted together, by the bucket that they came out of."""

from __future__ import annotations

from collections.abc import Mapping

from tenantry.model.errors import Code, TenantryError
from tenantry.storage import tables
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_table = tables.RateSpending
_this = _table.key == arg("key")

_INSERT = Statement(_table.insert({"key": arg("key"), "spent": arg("count"), "at": arg("at")}))
_ADD = Statement(_table.update({_table.spent: _table.spent + arg("count"), _table.at: arg("at")}).where(_this))
_OLD = Statement(_table.select(_table.key).where(_table.at < arg("before")).limit(arg("limit")))
_FORGET = Statement(_table.delete().where(_this & (_table.at < arg("before"))))


def add(unit: Unit, counts: Mapping[str, int], at: int) -> dict[str, int]:
    """Add ``counts`` by key, and return what there is then.

    Raises:
        TenantryError: ``CONFLICT``, a rival has just added to a key for the first time.
    """
    known = _read(unit, counts)
    for key in sorted(counts):  # in one order, so that nobody waits in a circle
        unit.later(_ADD if key in known else _INSERT, _rival, key=key, count=counts[key], at=at)
    return _read(unit, counts)


def forget(unit: Unit, before: int, limit: int) -> int:
    """Remove at most ``limit`` keys that nobody has added to since ``before``, and return how many."""
    old = [key for (key,) in unit.execute(_OLD, before=before, limit=limit).fetchall()]
    for key in old:
        unit.later(_FORGET, key=key, before=before)
    return len(old)


def _read(unit: Unit, keys: Mapping[str, int]) -> dict[str, int]:
    query = _table.select(_table.key, _table.spent).where(_table.key.in_(list(keys)))
    return dict(unit.execute(query).fetchall())


def _rival() -> TenantryError:
    return TenantryError(Code.CONFLICT, "another replica has added to the same bucket", raced=True)
