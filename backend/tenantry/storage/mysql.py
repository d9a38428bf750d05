"""MySQL, MariaDB and what speaks their protocol: threads that own a connection each, some to read and some to write."""

from __future__ import annotations

import contextlib
import itertools
import math
import random
import ssl
import time
from typing import Any

import peewee
from pymysql.constants import CLIENT

from tenantry import metrics
from tenantry.addresses import MySQLAddress
from tenantry.model.errors import Code, TenantryError
from tenantry.settings import PREFIX
from tenantry.storage import retry
from tenantry.storage.connection import MySQLConnection
from tenantry.storage.lane import Job, Lane, OnCommit, Outcome
from tenantry.storage.unit import Unit

CONNECT_SECONDS = 3
#: Of any answer; without it a server that accepts and never greets hangs a thread for ever.
ANSWER_SECONDS = 15
SLOW_SECONDS = 0.200  # a function that waits here for the locks of another holds up nobody
MAX_AGE_SECONDS = 30 * 60
#: threads at most; more of them take turns at the interpreter, and writes at the clock's row
READERS, WRITERS = 8, 4

_SESSION = (
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET SESSION time_zone = '+00:00', innodb_lock_wait_timeout = 5",
)
_BEGIN = ("BEGIN",)
#: READ COMMITTED would let each statement see another state
_BEGIN_SNAPSHOT = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
)
_SQL_MODE = "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
_NO_SUCH_DATABASE, _NO_ACCESS = 1049, 1044
_CANNOT_CONNECT = 2003
_WRONG_PASSWORD = frozenset({1045, 1698})


class MySQL:
    """A database on a server."""

    dialect = "mysql"

    def __init__(self, at: MySQLAddress) -> None:
        self.name = at.name
        self.host = at.host
        self.address = f"{at.host}:{at.port}"
        self._known: dict[Any, Any] = {}
        self._arguments: dict[str, Any] = {
            "host": at.host,
            "port": at.port,
            "user": at.user,
            "password": at.password,
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": ANSWER_SECONDS,
            "write_timeout": ANSWER_SECONDS,
            "charset": "utf8mb4",
            "sql_mode": _SQL_MODE,
            "client_flag": CLIENT.MULTI_STATEMENTS,  # see Unit.later
            # PyMySQL's default burns 18 ms of CPU per connection on a context of its own, and verifies nothing
            **({"ssl": _verifying(at.ssl_ca)} if at.ssl_ca else {"ssl_disabled": True}),
        }

    def lanes(self, *, threads: int, limit: int, on_commit: OnCommit) -> tuple[Lane, Lane]:
        """The lane for jobs that read and the one for jobs that write, which may wait for each other's locks."""
        reads, writes = min(threads, READERS), min(threads, WRITERS)
        return (
            Lane("mysql-read", self.serve, threads=reads, limit=limit, slow=SLOW_SECONDS),
            Lane("mysql-write", self.serve, threads=writes, limit=limit, slow=SLOW_SECONDS, on_commit=on_commit),
        )

    def serve(self, lane: Lane) -> None:
        """Serve jobs until the lane ends, those that write in a transaction."""
        self._serve(lane, transactions=True)

    def serve_admin(self, lane: Lane) -> None:
        """Serve jobs that mind their own transactions, until the lane ends."""
        self._serve(lane, transactions=False)

    def _serve(self, lane: Lane, *, transactions: bool) -> None:
        thread = _Thread(self)
        for job in lane.jobs():
            lane.settle([thread.run(job, transaction=transactions and job.write)])
        thread.discard()

    def connect(self, *, patient: bool) -> MySQLConnection:
        """A new connection, owned by the calling thread; a ``patient`` one waits for an answer for ever.

        Raises:
            NotConnectedError: with the driver's error as its cause.
        """
        try:
            arguments = self._arguments | ({"read_timeout": None} if patient else {})
            database = MySQLConnection(self.name, known=self._known, **arguments)
            database.connect()
            for statement in _SESSION:
                database.run(statement)
        except Exception as error:
            raise retry.NotConnectedError(str(error)) from error
        return database

    def translate(self, error: BaseException, fate: retry.Fate) -> BaseException:
        """What the awaiter is told: that it passes, that COMMIT may have done it, or else the error itself."""
        code, public = Code.UNAVAILABLE, "the database is away or busy"
        if retry.has_code(error, _NO_SUCH_DATABASE):
            message = (
                f"{self.address} has no database {self.name!r}: "
                f"CREATE DATABASE `{self.name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
            )
        elif any(isinstance(link, retry.CommitUnknownError) for link in retry.chain(error)):
            code, public = Code.TIMEOUT, "the database went away, and may have done what it was asked to: look first"
            message = (
                f"the database at {self.address} went away in COMMIT (error {fate.code}), and may have done what it "
                "was asked to: look first"
            )
        elif fate.code is None:
            return error
        else:
            state, advice = "refuses to work for us" if fate.code in retry.REFUSED else "is away or busy", ""
            if any(isinstance(link, ssl.SSLCertVerificationError) for link in retry.chain(error)):
                state = f"has a certificate that is not for {self.host}, or that ssl-ca did not sign"
            elif fate.code == _CANNOT_CONNECT and (cause := retry.system_error(error)):
                state = f"cannot be reached: {cause}"
            elif fate.code in _WRONG_PASSWORD:
                state = "refuses our user or its password"
                advice = f": see {PREFIX}DATABASE_URL and {PREFIX}DATABASE_PASSWORD_FILE"
            elif fate.code == _NO_ACCESS:
                state = f"keeps our user out of {self.name!r}"
                advice = f": GRANT ALL ON `{self.name}`.* to the user of {PREFIX}DATABASE_URL"
            message = f"the database at {self.address} {state} (error {fate.code}){advice}"
        told = TenantryError(code, message, retry_after=1, public=public)
        told.__cause__ = error
        return told


class _Thread:
    """One thread's connection, opened when there is work and replaced when it is lost or old."""

    def __init__(self, server: MySQL) -> None:
        self._server = server
        self._database: MySQLConnection | None = None
        self._patient = False
        self._expires = 0.0

    def run(self, job: Job, *, transaction: bool) -> Outcome:
        """The outcome of ``job``, which is tried again where that may help."""
        for attempt in itertools.count(1):
            try:
                return self._try(job, transaction=transaction)
            except BaseException as error:  # noqa: BLE001 - it belongs to the awaiter, and this thread lives on
                fate = retry.fate(error)
                if fate.discard:
                    self.discard()
                wait = retry.pause(attempt)
                if not fate.again or attempt > retry.LIMIT or time.monotonic() + wait > job.deadline:
                    return Outcome(job, error=self._server.translate(error, fate))
                metrics.DB_RETRIES.labels(str(fate.code)).inc()
                time.sleep(wait)
        raise AssertionError  # counting has no end

    def discard(self) -> None:
        """Close the connection, whatever state it is in."""
        database, self._database = self._database, None
        if database is not None:
            with contextlib.suppress(Exception):
                database.driver.close()

    def _try(self, job: Job, *, transaction: bool) -> Outcome:
        database = self._connection(patient=math.isinf(job.deadline))  # to rewrite a large table takes its time
        begin = _BEGIN_SNAPSHOT if job.snapshot else _BEGIN if transaction else ()
        unit = Unit(database, dialect="mysql", write=job.write, begin=begin)
        if not begin:
            return Outcome(job, job.call(unit))
        with database.manual_commit():
            try:
                return Outcome(job, job.call(unit), seq=unit.seq, news=unit.news)
            except BaseException as error:
                fate = retry.fate(error)
                if fate.discard and (unit.committing or (unit.commit_sent and fate.code in retry.SILENT)):
                    raise retry.CommitUnknownError("the connection was lost in COMMIT") from error
                self._roll_back(database)
                raise

    def _connection(self, *, patient: bool) -> MySQLConnection:
        if patient is not self._patient or time.monotonic() > self._expires:
            self.discard()
        if self._database is None:
            self._database, self._patient = self._server.connect(patient=patient), patient
            self._expires = time.monotonic() + MAX_AGE_SECONDS * random.uniform(0.9, 1.1)  # noqa: S311 - jitter
        return self._database

    def _roll_back(self, database: MySQLConnection) -> None:
        try:
            database.rollback()
        except peewee.PeeweeException:
            self.discard()


def _verifying(ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    # the certificates that MySQL makes for itself lack what Python 3.13 is strict about
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
