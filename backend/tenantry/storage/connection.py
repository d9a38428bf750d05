"""Connections of which each belongs to one thread.

One peewee object per thread, not one for all: its ``connect`` runs under a lock of the object, and with a frozen
server the threads would fail one after the other.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, Protocol

import peewee
import pymysql.connections
from pymysql.constants import CR
from pymysql.constants.SERVER_STATUS import SERVER_STATUS_NO_BACKSLASH_ESCAPES

_as_peewee_s = peewee.__exception_wrapper__  # type: ignore[attr-defined]  # what its execute_sql puts around it
#: the text of a statement and its parameters
Bound = tuple[str, Sequence[Any]]
#: characters that are sent at once, beyond those of one statement; servers take packets of 16 MiB
_TOGETHER = 256 * 1024
#: what MySQL wants to have escaped between single quotes, the backslash first
_ESCAPES = (("\\", r"\\"), ("'", r"\'"), ("\0", r"\0"), ("\n", r"\n"), ("\r", r"\r"), ("\x1a", r"\Z"))


class Cursor(Protocol):
    """What DB-API cursors of both drivers have in common."""

    rowcount: int
    lastrowid: int

    def fetchone(self) -> Any:
        """The next row, or None."""

    def fetchall(self) -> Any:
        """All remaining rows."""


class Connection(peewee.Database):
    """Refuses any thread but its own, above all the event loop's, where a query would stop every request.

    ``known`` is what storage remembers of rows that rarely change, over all connections to the database.
    """

    def __init__(self, database: str, *, known: dict[Any, Any], **options: Any) -> None:
        self._owner = threading.get_ident()
        self.known = known
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

    def run_all(self, statements: Iterable[Bound]) -> Generator[Cursor, None, None]:
        """Execute ``statements`` in their order until one fails; each result is good until the next is asked for."""
        for sql, parameters in statements:
            yield self.run(sql, parameters)

    @property
    def driver(self) -> Any:
        """The driver's connection, which must be open."""
        return self.connection()  # type: ignore[no-untyped-call]


class SQLiteConnection(Connection, peewee.SqliteDatabase):
    """One thread's connection to a SQLite file."""


class _Driver(pymysql.connections.Connection):
    """PyMySQL's connection, faster in two places.

    The kernel does the waiting: with a timeout of Python's each read and each write asks first whether it may, and
    gives the interpreter lock away once more. TLS would go on when the kernel gives up, so there Python waits.
    JSON is escaped 10 times as fast: the double quotes in it need no escape.
    """

    server_status: int
    ssl: bool
    _force_close: Callable[[], None]
    _rfile: Any
    _sock: Any
    _read_timeout: float | None
    _write_timeout: float | None

    def connect(self, sock: socket.socket | None = None) -> None:
        super().connect(sock)
        if self.ssl:
            return
        for option, seconds in ((socket.SO_RCVTIMEO, self._read_timeout), (socket.SO_SNDTIMEO, self._write_timeout)):
            microseconds = round((seconds or 0) * 1_000_000)  # 0: for ever
            self._sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", *divmod(microseconds, 1_000_000)))
        self._read_timeout = self._write_timeout = self._current_timeout = None
        self._sock.settimeout(None)

    def _read_bytes(self, num_bytes: int) -> bytes:
        try:
            data: bytes = self._rfile.read(num_bytes) or b""  # None: the kernel gave up
        except BaseException as error:
            self._force_close()  # what comes next would be in the middle of an answer
            if isinstance(error, OSError):
                raise _lost(str(error)) from error
            raise
        if len(data) < num_bytes:
            self._force_close()
            raise _lost("the rest of the answer did not come")
        return data

    def _escape_string(self, s: str) -> str:
        if self.server_status & SERVER_STATUS_NO_BACKSLASH_ESCAPES:
            escaped: str = super()._escape_string(s)
            return escaped
        for character, escape in _ESCAPES:
            if character in s:
                s = s.replace(character, escape)
        return s

    def fill(self, sql: str, parameters: Sequence[Any]) -> str:
        """``sql`` with ``parameters`` in it, as the driver's cursor does it for any type."""
        return sql % tuple(
            f"'{self._escape_string(value)}'" if type(value) is str else self.escape(value) for value in parameters
        )


class MySQLConnection(Connection, peewee.MySQLDatabase):
    """One thread's connection to a server that speaks MySQL's protocol."""

    def _connect(self) -> Any:
        return _Driver(database=self.database, autocommit=True, **self.connect_params)

    def run_all(self, statements: Iterable[Bound]) -> Generator[Cursor, None, None]:
        """As of any connection; many are sent at once, for to go there and back is most of what a statement costs."""
        fill = self.driver.fill
        text = ""
        for sql, parameters in statements:
            if len(text) > _TOGETHER:
                yield from self._run_text(text)
                text = ""
            text += f"{';' if text else ''}{fill(sql, parameters) if parameters else sql}"
        yield from self._run_text(text)

    def _run_text(self, text: str) -> Generator[Cursor, None, None]:
        cursor = self.cursor()
        with _as_peewee_s:
            cursor.execute(text)  # nothing is left to be filled in, and so no % means anything
        try:
            yield cursor
            while _advance(cursor):
                yield cursor
        finally:
            with contextlib.suppress(peewee.PeeweeException):  # who stops early has a reason of its own
                while _advance(cursor):
                    pass


def _lost(why: str) -> pymysql.OperationalError:
    return pymysql.OperationalError(CR.CR_SERVER_LOST, f"Lost connection to MySQL server during query ({why})")


def _advance(cursor: Any) -> bool:
    """Go on to the result of the next of several statements, if there is one."""
    with _as_peewee_s:
        return cursor.nextset() is not None
