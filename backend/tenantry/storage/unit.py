"""The unit of work: the statements of one transaction, and the order that they must keep."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import peewee

from tenantry.model.notice import Notice
from tenantry.storage.connection import Bound, Connection, Cursor
from tenantry.storage.statement import Statement

Dialect = Literal["sqlite", "mysql"]
Query = Statement | peewee.Query
_COMMIT: Bound = ("COMMIT", ())
#: statements that wait for another
_MOST_WAITING = 64
#: makes the error of a statement that did not write or find its one row
Otherwise = Callable[[], Exception] | None


class Unit:
    """What a function gets that :meth:`Database.run` runs; it dies with the function.

    A function that changes resources ends with :func:`tenantry.storage.changes.commit`: that takes the seqs from the
    locked clock row, and nothing may run between them and COMMIT. So the unit is *sealed* then and refuses statements,
    and a unit that changed resources without it is refused as a whole.

    Args:
        database: the connection, owned by the calling thread.
        dialect: of SQL.
        write: whether it may do anything but read.
        begin: the statements that begin its transaction, which it commits then; without them somebody else does both.
    """

    __slots__ = (
        "_changed",
        "_commits",
        "_open",
        "_sealed",
        "_sent",
        "_waiting",
        "commit_sent",
        "committing",
        "database",
        "dialect",
        "news",
        "seq",
        "write",
    )

    def __init__(self, database: Connection, *, dialect: Dialect, write: bool, begin: Sequence[str] = ()) -> None:
        self.database = database
        self.dialect = dialect
        self.write = write
        self.seq = 0  # the highest seq taken
        self.news: Sequence[Notice] = ()  # what those seqs tell of
        self.commit_sent = False
        self.committing = False  # all that was sent before COMMIT is done
        self._changed: set[str] = set()
        self._sealed = False
        self._open = True
        self._sent = False  # something of it
        self._commits = bool(begin)
        self._waiting: list[tuple[Bound, Otherwise]] = [((statement, ()), None) for statement in begin]

    def execute(self, query: Query, **values: Any) -> Cursor:
        """Run one statement with ``values`` for its :func:`~tenantry.storage.statement.arg` places.

        Raises:
            peewee.PeeweeException: whatever the driver raised, under peewee's class of the same name, for this or for
                a statement before it that was put off.
        """
        self._check_unsealed()
        if not self._waiting:
            return self.database.run(*self._bind(query, values))
        self._put_off(query, values)
        return self._send()

    def later(self, query: Query, otherwise: Otherwise = None, /, **values: Any) -> None:
        """Put off a statement whose result nobody needs: it travels with the next one, or with the end of the unit.

        Args:
            query: the statement.
            otherwise: what is raised then when it does not write, or find, just one row: none matches, or its key is
                taken.
            **values: for its places.
        """
        self._check_unsealed()
        self._put_off(query, values, otherwise)

    def conclude(self, query: Query, **values: Any) -> None:
        """As :meth:`later`, also after the seqs: only for a row that names them, such as a stored answer."""
        self._put_off(query, values)

    def mark_changed(self, uid: str) -> None:
        """Note that the resource ``uid`` was inserted, updated or deleted and waits for its seq."""
        self._changed.add(uid)

    def seal(self, uids: set[str], seq: int, news: Sequence[Notice]) -> None:
        """Note that the resources ``uids`` have their seqs, and ``news`` too, ``seq`` being the highest.

        What follows is refused.
        """
        if uids != self._changed:
            raise RuntimeError(f"changed {sorted(self._changed)} but published {sorted(uids)}")
        self.seq, self.news = seq, news
        self._sealed = True

    def close(self) -> None:
        """End the unit: its function has returned. What was put off is done now, and what it began is committed."""
        self._open = False
        if self._changed and not self._sealed:
            raise RuntimeError(f"changed {sorted(self._changed)} without changes.commit")
        if self._waiting and not (self._sent and all(otherwise is None for _, otherwise in self._waiting)):
            self._send()  # not with COMMIT: an old connection may be closed, and what came of a statement is seen here
        if self._commits:
            self._waiting.append((_COMMIT, None))
            self.commit_sent = True
        if self._waiting:
            self._send()

    def _check_unsealed(self) -> None:
        if self._sealed:
            raise RuntimeError("this unit has taken its seqs: nothing may run before its COMMIT")

    def _bind(self, query: Query, values: dict[str, Any]) -> Bound:
        if not self._open:
            raise RuntimeError("this unit has ended")
        statement = query if isinstance(query, Statement) else Statement(query)
        if not self.write and not isinstance(statement.query, peewee.SelectBase):
            raise RuntimeError("this unit only reads: run it with write=True")
        return statement.bind(self.database, values)

    def _put_off(self, query: Query, values: dict[str, Any], otherwise: Otherwise = None) -> None:
        if len(self._waiting) >= _MOST_WAITING:
            self._send()
        self._waiting.append((self._bind(query, values), otherwise))

    def _send(self) -> Cursor:
        """Run what was put off; the result of the last."""
        self._sent = True
        waiting, self._waiting = self._waiting, []
        with contextlib.closing(self.database.run_all(bound for bound, _ in waiting)) as results:
            for bound, otherwise in waiting:
                self.committing = bound is _COMMIT
                last = _expect(results, otherwise)
        return last


def _is_one(result: Cursor) -> bool:
    count = result.rowcount
    return count == 1 if count >= 0 else result.fetchone() is not None  # SQLite does not count what it reads


def _expect(results: Iterator[Cursor], otherwise: Otherwise) -> Cursor:
    try:
        result = next(results)
    except peewee.IntegrityError as error:
        if otherwise is None:
            raise
        raise otherwise() from error
    if otherwise and not _is_one(result):
        raise otherwise()
    return result
