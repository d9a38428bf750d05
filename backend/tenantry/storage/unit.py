"""The unit of work: the statements of one transaction, and the order that they must keep."""

from __future__ import annotations

from typing import Any, Literal

import peewee

from tenantry.storage.connection import Connection, Cursor
from tenantry.storage.statement import Statement

Dialect = Literal["sqlite", "mysql"]
Query = Statement | peewee.Query


class Unit:
    """What a function gets that :meth:`Database.run` runs; it dies with the function.

    A function that changes resources ends with :func:`tenantry.storage.changes.commit`: that takes the seqs from the
    locked clock row, and nothing may run between them and COMMIT. So the unit is *sealed* then and refuses statements,
    and a unit that changed resources without it is refused as a whole.
    """

    __slots__ = ("_changed", "_open", "_sealed", "database", "dialect", "seq", "write")

    def __init__(self, database: Connection, *, dialect: Dialect, write: bool) -> None:
        self.database = database
        self.dialect = dialect
        self.write = write
        self.seq = 0  # the highest seq taken
        self._changed: set[str] = set()
        self._sealed = False
        self._open = True

    def execute(self, query: Query, **values: Any) -> Cursor:
        """Run one statement with ``values`` for its :func:`~tenantry.storage.statement.arg` places.

        Raises:
            peewee.PeeweeException: whatever the driver raised, under peewee's class of the same name.
        """
        if self._sealed:
            raise RuntimeError("this unit has taken its seqs: nothing may run before its COMMIT")
        return self._execute(query, values)

    def conclude(self, query: Query, **values: Any) -> Cursor:
        """As :meth:`execute`, also after the seqs: only for a row that names them, such as a stored answer."""
        return self._execute(query, values)

    def mark_changed(self, uid: str) -> None:
        """Note that the resource ``uid`` was inserted, updated or deleted and waits for its seq."""
        self._changed.add(uid)

    def seal(self, uids: set[str], seq: int) -> None:
        """Note that the resources ``uids`` have their seqs, ``seq`` being the highest, and refuse what follows."""
        if uids != self._changed:
            raise RuntimeError(f"changed {sorted(self._changed)} but published {sorted(uids)}")
        self.seq = seq
        self._sealed = True

    def close(self) -> None:
        """End the unit: its function has returned."""
        self._open = False
        if self._changed and not self._sealed:
            raise RuntimeError(f"changed {sorted(self._changed)} without changes.commit")

    def _execute(self, query: Query, values: dict[str, Any]) -> Cursor:
        if not self._open:
            raise RuntimeError("this unit has ended")
        statement = query if isinstance(query, Statement) else Statement(query)
        if not self.write and not isinstance(statement.query, peewee.SelectBase):
            raise RuntimeError("this unit only reads: run it with write=True")
        sql, parameters = statement.bind(self.database, values)
        return self.database.run(sql, parameters)
