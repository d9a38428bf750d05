"""Counts of attempts within windows of time."""

from __future__ import annotations

import peewee

from tenantry.storage import tables
from tenantry.storage.expiry import Expiry
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_table = tables.AuthThrottle
_this = _table.key == arg("key")

_IS_OPEN = _table.ends_at > arg("at")
_INSERT = _table.insert({"key": arg("key"), "count": 1, "ends_at": arg("ends_at")})
#: MySQL sets one after the other, in the order of the columns, and so looks at the end of the window before it moves it
_AGAIN = {
    _table.count: peewee.Case(None, [(_IS_OPEN, _table.count + 1)], 1),
    _table.ends_at: peewee.Case(None, [(_IS_OPEN, _table.ends_at)], arg("ends_at")),
}
_COUNT = {
    "mysql": Statement(_INSERT.clone().on_conflict(update=_AGAIN)),
    "sqlite": Statement(_INSERT.clone().on_conflict(conflict_target=(_table.key,), update=_AGAIN)),
}
_GET = Statement(_table.select(_table.count, _table.ends_at).where(_this))
_GIVE_BACK = Statement(_table.update({_table.count: _table.count - 1}).where(_this & (_table.count > 0)))
_DROP = Statement(_table.delete().where(_this))
_expiry = Expiry(_table.key, _table.ends_at)


def count(unit: Unit, key: str, at: int, seconds: int) -> tuple[int, int]:
    """Count an attempt; how many there were within the window, this one among them, and when it ends.

    A window begins with an attempt and lasts for ``seconds``; times are epoch microseconds.
    """
    unit.later(_COUNT[unit.dialect], key=key, at=at, ends_at=at + seconds * 1_000_000)
    found, ends_at = unit.execute(_GET, key=key).fetchone()
    return int(found), int(ends_at)


def give_back(unit: Unit, key: str) -> None:
    """Count one attempt less: it was a good one."""
    unit.later(_GIVE_BACK, key=key)


def drop(unit: Unit, key: str) -> None:
    """Count nothing any more that there was."""
    unit.later(_DROP, key=key)


def forget_expired(unit: Unit, at: int, limit: int) -> int:
    """Remove at most ``limit`` windows that have ended by ``at``, and return how many."""
    return _expiry.forget(unit, at, limit)
