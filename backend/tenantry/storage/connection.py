"""Connections of which each belongs to one thread.

One peewee object per thread, not one for all: its ``connect`` runs under a lock of the object, and with a frozen
server the threads would fail one after the other.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Protocol

import peewee


class Cursor(Protocol):
    """What DB-API cursors of both drivers have in common."""

    rowcount: int
    lastrowid: int

    def fetchone(self) -> Any:
        """The next row, or None."""

    def fetchall(self) -> Any:
        """All remaining rows."""


class Connection(peewee.Database):
    """Refuses any thread but its own, above all the event loop's, where a query would stop every request."""

    def __init__(self, database: str, **options: Any) -> None:
        self._owner = threading.get_ident()
        super().__init__(database, autoconnect=False, thread_safe=False, **options)

    def cursor(self, named_cursor: None = None) -> Any:
        """A cursor of the driver, for the owner."""
        if threading.get_ident() != self._owner:
            raise RuntimeError(
                f"the database was called on the thread {threading.current_thread().name}, "
                "which owns no connection: use `await db.run(function)`"
            )
        return super().cursor(named_cursor)  # type: ignore[no-untyped-call]

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> Cursor:
        """Execute one statement."""
        cursor: Cursor = self.execute_sql(sql, parameters)  # type: ignore[no-untyped-call]
        return cursor

    @property
    def driver(self) -> Any:
        """The driver's connection, which must be open."""
        return self.connection()  # type: ignore[no-untyped-call]


class SQLiteConnection(Connection, peewee.SqliteDatabase):
    """One thread's connection to a SQLite file."""


class MySQLConnection(Connection, peewee.MySQLDatabase):
    """One thread's connection to a server that speaks MySQL's protocol."""
