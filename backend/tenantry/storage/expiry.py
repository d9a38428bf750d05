"""Rows that are of no use any more once a time has passed."""

from __future__ import annotations

import peewee

from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit


class Expiry:
    """Removes the rows of a table whose time has passed, those first whose passed first.

    Each is deleted by its key: a DELETE by time would lock the gaps where others insert (InnoDB).

    Args:
        key: the table's primary key.
        at: its column with the time, in epoch microseconds; it has an index.
    """

    def __init__(self, key: peewee.Field, at: peewee.Field) -> None:
        table, passed = key.model, at <= arg("at")
        self._find = Statement(table.select(key).where(passed).order_by(at).limit(arg("limit")))
        self._forget = Statement(table.delete().where((key == arg("key")) & passed))

    def forget(self, unit: Unit, at: int, limit: int) -> int:
        """Remove at most ``limit`` whose time has passed by ``at``, and return how many were found."""
        found = unit.execute(self._find, at=at, limit=limit).fetchall()
        for (key,) in found:
            self.forget_one(unit, key, at)
        return len(found)

    def forget_one(self, unit: Unit, key: str, at: int) -> None:
        """Remove the row of that key, if its time has passed by ``at``."""
        unit.execute(self._forget, key=key, at=at)
