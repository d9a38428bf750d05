"""SQLite: one thread that writes, with group commit, and four that read.

Sixteen writing threads reach a p99 of 1.1 s; one with group commit does 5,000 units/s at 12-24 ms (data.md).
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tenantry.model.errors import Code, TenantryError
from tenantry.storage.connection import SQLiteConnection
from tenantry.storage.lane import Job, Lane, OnCommit, Outcome
from tenantry.storage.retry import chain
from tenantry.storage.unit import Unit

READERS = 4
BATCH_UNITS = 64
BATCH_SECONDS = 0.005
SLOW_SECONDS = 0.020  # a function that writes for longer holds up every other writer
#: another process may be writing: a migration, an administrator's command; who waits is told before its time is over
BUSY_SECONDS = 4

#: Primary result codes that tell of the file or the machine, not of the statement.
_ENVIRONMENT = frozenset({
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_READONLY,
})  # fmt: skip


class SQLite:
    """A database in one file."""

    dialect = "sqlite"

    def __init__(self, path: str) -> None:
        self.path = path
        self._known: dict[Any, Any] = {}

    def make_private(self) -> None:
        """Make the file, when there is none, for nobody else to read; SQLite gives those beside it the same mode."""
        with suppress(OSError):  # SQLite says what is wrong
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))

    def lanes(self, *, threads: int, limit: int, on_commit: OnCommit) -> tuple[Lane, Lane]:
        """The lane for jobs that read and the one for jobs that write."""
        return (
            Lane("sqlite-read", self.serve_reads, threads=min(threads, READERS), limit=limit, slow=SLOW_SECONDS),
            Lane("sqlite-write", self.serve_writes, threads=1, limit=limit, slow=SLOW_SECONDS, on_commit=on_commit),
        )

    def serve_reads(self, lane: Lane) -> None:
        """Serve jobs that write nothing, until the lane ends."""
        database = self._connection(query_only=1)
        for job in lane.jobs():
            lane.settle([self._run_snapshot(database, job) if job.snapshot else self._run(database, job)])
        database.close()

    def serve_writes(self, lane: Lane) -> None:
        """Serve jobs in batches of one COMMIT, until the lane ends."""
        database = self._connection()
        for job in lane.jobs():
            outcomes = [Outcome(job)]
            self._run_batch(database, outcomes, lane)
            lane.settle(outcomes)
        database.close()

    def serve_admin(self, lane: Lane) -> None:
        """Serve jobs that mind their own transactions, until the lane ends."""
        database = self._connection()
        for job in lane.jobs():
            lane.settle([self._run(database, job)])
        database.close()

    def _connection(self, query_only: int = 0) -> SQLiteConnection:
        return SQLiteConnection(
            self.path,
            known=self._known,
            lock_type="IMMEDIATE",
            timeout=BUSY_SECONDS,
            pragmas={"journal_mode": "wal", "synchronous": "full", "query_only": query_only},
        )

    def _run(self, database: SQLiteConnection, job: Job) -> Outcome:
        try:
            database.connect(reuse_if_open=True)
            return Outcome(job, job.call(Unit(database, dialect="sqlite", write=job.write)))
        except BaseException as error:  # noqa: BLE001 - it belongs to the awaiter, and this thread lives on
            return Outcome(job, error=self._translate(error))

    def _run_snapshot(self, database: SQLiteConnection, job: Job) -> Outcome:
        try:
            database.connect(reuse_if_open=True)
            with database.manual_commit():
                database.run("BEGIN")
                try:
                    return self._run(database, job)
                finally:
                    database.rollback()
        except BaseException as error:  # noqa: BLE001 - as above
            return Outcome(job, error=self._translate(error))

    def _run_batch(self, database: SQLiteConnection, outcomes: list[Outcome], lane: Lane) -> None:
        """Run the job of the first outcome and those that wait behind it between BEGIN IMMEDIATE and COMMIT.

        Each unit is a SAVEPOINT, so that its error undoes only itself.
        """
        try:
            database.connect(reuse_if_open=True)
            with database.manual_commit():
                database.begin()
                until = time.perf_counter() + BATCH_SECONDS
                while True:
                    self._run_savepoint(database, outcomes[-1])
                    full = len(outcomes) >= BATCH_UNITS or time.perf_counter() >= until
                    job = None if full else lane.next_waiting()
                    if job is None:
                        break
                    outcomes.append(Outcome(job))
                database.commit()
        except BaseException as error:  # noqa: BLE001 - nobody in the batch was committed, and this thread lives on
            if not database.is_closed() and database.driver.in_transaction:
                database.rollback()
            translated = self._translate(error)
            outcomes[:] = [Outcome(outcome.job, error=translated) for outcome in outcomes]

    def _run_savepoint(self, database: SQLiteConnection, outcome: Outcome) -> None:
        unit = Unit(database, dialect="sqlite", write=True)
        database.run("SAVEPOINT unit")
        try:
            outcome.result = outcome.job.call(unit)
            outcome.seq, outcome.news = unit.seq, unit.news
        except BaseException as error:
            if not database.driver.in_transaction:
                raise  # SQLite has rolled back the whole batch: disk full, I/O error
            outcome.error = self._translate(error)
            database.run("ROLLBACK TO unit")
        database.run("RELEASE unit")

    def _translate(self, error: BaseException) -> BaseException:
        for link in chain(error):
            # peewee wraps the driver's exception, whose low byte is the primary result code
            if isinstance(link, sqlite3.Error) and getattr(link, "sqlite_errorcode", 0) & 0xFF in _ENVIRONMENT:
                message = f"{self.path}: {self._reason(link)}"
                unavailable = TenantryError(
                    Code.UNAVAILABLE, message, retry_after=1, public="the database cannot be read or written"
                )
                unavailable.__cause__ = error
                return unavailable
        return error

    def _reason(self, error: sqlite3.Error) -> str:
        folder = Path(self.path).parent
        if folder.is_dir():
            return str(error)
        where = "" if folder.is_absolute() else "; a path after four slashes, sqlite:////, begins at the root"
        return f"there is no folder {folder.absolute()}{where}"
