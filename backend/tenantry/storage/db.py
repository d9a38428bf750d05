"""The door to the database: synchronous functions, run on threads that each own one connection."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import TypeVar, TypeVarTuple

from tenantry.addresses import MySQLAddress, read_database_url
from tenantry.model.notice import Notice
from tenantry.storage import schema
from tenantry.storage.lane import Lane, OnCommit
from tenantry.storage.mysql import MySQL
from tenantry.storage.sqlite import SQLite
from tenantry.storage.statement import Statement
from tenantry.storage.tables import Clock
from tenantry.storage.unit import Unit

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

#: how long somebody waits for a unit, unless told otherwise
UNIT_SECONDS = 5.0
READY_SECONDS = 1.0

_READ_CLOCK = Statement(Clock.select(Clock.seq))


class Database:
    """Runs functions against one database. :meth:`open` makes it; every method belongs to that event loop.

    A function gets a :class:`Unit` and what else it was called with. It is synchronous: it opens no transaction,
    hashes, signs and validates nothing and does no other I/O; it may run more than once.
    """

    def __init__(self, backend: SQLite | MySQL, *, threads: int, waiting: int) -> None:
        self._listeners: list[OnCommit] = []
        self._admin = Lane("db-admin", backend.serve_admin, threads=2, limit=8, slow=math.inf)
        self._reads, self._writes = backend.lanes(threads=threads, limit=threads + waiting, on_commit=self._announce)

    @classmethod
    async def open(cls, url: str, *, threads: int = 16, waiting: int = 64) -> Database:
        """The database at ``url``, as :func:`tenantry.settings.read_database_url` reads it.

        A SQLite file is created and migrated here; a server is not even asked, it may come up later.

        Raises:
            ValueError: it is no URL of a database.
            TenantryError: ``UNAVAILABLE``, the file cannot be written, or is no database.
        """
        at = read_database_url(url)
        if isinstance(at, MySQLAddress):
            return cls(MySQL(at), threads=threads, waiting=waiting)
        file = SQLite(str(at))
        file.make_private()
        database = cls(file, threads=threads, waiting=waiting)
        try:
            await schema.migrate(database)
            await database.run(_begin, write=True)  # a file that can only be read is found out now
        except BaseException:
            await database.close()
            raise
        return database

    async def run(
        self,
        fn: Callable[[Unit, *Ts], T],
        *args: *Ts,
        write: bool = False,
        snapshot: bool = False,
        timeout: float = UNIT_SECONDS,  # noqa: ASYNC109 - what has begun on a thread cannot be cancelled
    ) -> T:
        """What ``fn(unit, *args)`` returns: with ``write``, from one committed transaction.

        With ``snapshot``, all its statements read the state of one moment; without either, each reads what is
        committed when it begins.

        It is not tried again after ``timeout`` seconds, and by then the awaiter is told. Neither that nor cancelling
        the awaiter takes back what has begun.

        Raises:
            TenantryError: ``UNAVAILABLE`` (with ``retry_after``) when the queue is full, the database is away, or the
                deadline passed and nothing was written; ``TIMEOUT``, it passed and something may have been; what
                ``fn`` raised otherwise.
        """
        lane = self._writes if write else self._reads
        return await lane.run(fn, args, write=write, snapshot=snapshot, timeout=timeout)

    async def administer(
        self,
        fn: Callable[[Unit, *Ts], T],
        *args: *Ts,
        write: bool = True,
        timeout: float = UNIT_SECONDS,  # noqa: ASYNC109 - as above
    ) -> T:
        """As :meth:`run`, on one of two threads kept for health and migrations; every statement commits by itself."""
        return await self._admin.run(fn, args, write=write, timeout=timeout)

    def on_commit(self, listener: OnCommit) -> None:
        """Call ``listener`` on the event loop with the highest seq of each commit that took seqs, and what it tells of.

        Whoever waits for the commit hears of it after that.
        """
        self._listeners.append(listener)

    async def ready(self) -> None:
        """Read a real table within a second (``SELECT 1`` works on a Galera node that lost its quorum).

        Raises:
            TenantryError: ``UNAVAILABLE`` with the reason.
        """
        await self.administer(_read_clock, write=False, timeout=READY_SECONDS)

    async def close(self) -> None:
        """Let what was admitted finish, as far as somebody still waits for it, and close every connection."""
        await asyncio.gather(*(lane.close(UNIT_SECONDS) for lane in (self._reads, self._writes, self._admin)))

    def _announce(self, seq: int, news: Sequence[Notice]) -> None:
        for listener in self._listeners:
            listener(seq, news)


def _begin(_: Unit) -> None:
    pass


def _read_clock(unit: Unit) -> int:
    row = unit.execute(_READ_CLOCK).fetchone()
    return int(row[0])
