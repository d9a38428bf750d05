"""The schema's version: bringing a database up to date, and telling whether this release can work with one.

Migrations are the numbered files of ``migrations/``, run by playhouse under a lease row. The number's hundreds are the
release. What a release no longer needs is dropped by the release after it, so a pod works with the schema of its own
release and with that of the next: a rolling upgrade migrates first and never meets a pod that it breaks.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import re
import socket
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from playhouse.migrations import Runner

from tenantry.model.errors import Code, TenantryError
from tenantry.storage import leases
from tenantry.storage.migrations.ddl import create_table
from tenantry.storage.unit import Unit

if TYPE_CHECKING:
    from tenantry.storage.db import Database

_DIRECTORY = Path(__file__).with_name("migrations")
_TABLE = "schema_migration"
_LEASE = "migrations"
_LEASE_SECONDS = 15.0  # renewed while a process lives: for so long its crash keeps the others out
_WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.2

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SchemaState:
    """``current``: the newest migration applied, 0 for none; ``expected``: the newest that this release brings."""

    current: int
    expected: int

    @property
    def accepted(self) -> range:
        """The schemas with which this release can work: its own, and what the next release makes of it."""
        return range(self.expected, (self.expected // 100 + 2) * 100)

    @property
    def is_accepted(self) -> bool:
        """Whether this release can work with the database as it is."""
        return self.current in self.accepted

    @property
    def is_newer(self) -> bool:
        """Whether a release has migrated the database that this one cannot work beside."""
        return self.current >= self.accepted.stop

    @property
    def complaint(self) -> str:
        """Why the database is not accepted, and what to do."""
        if self.is_newer:
            return (
                f"its schema is at {self.current} and this release works with {self.expected} to "
                f"{self.accepted.stop - 1}: start the release that migrated it"
            )
        return f"its schema is at {self.current} and must be at {self.expected}: run tenantry migrate"


async def migrate(db: Database) -> list[str]:
    """Apply what is missing and return the names; wait for another that is doing so.

    Raises:
        TenantryError: ``UNAVAILABLE``, another held the lease for a minute, or a newer release has migrated it.
    """
    found = await state(db)
    if found.is_newer:
        raise TenantryError(Code.UNAVAILABLE, f"the database is too new: {found.complaint}")
    done: list[str] = []
    while await db.administer(_pending):
        async with _held(db) as lease:
            for name in await db.administer(_pending):
                if not await _renew(db, lease):
                    break
                await db.administer(_apply, name, timeout=math.inf)
                done.append(name)
    return done


async def state(db: Database) -> SchemaState:
    """Where the database is and where it should be."""
    return await db.administer(_state)


def _state(unit: Unit) -> SchemaState:
    return SchemaState(
        current=max(map(_number, _applied(unit)), default=0),
        expected=max(map(_number, _brought())),
    )


@asynccontextmanager
async def _held(db: Database) -> AsyncIterator[leases.Lease]:
    """The lease, for as long as this process works, however long that takes."""
    lease = await _wait_for_lease(db)
    beating = asyncio.create_task(_beat(db, lease))
    try:
        yield lease
    finally:
        beating.cancel()
        if not isinstance(sys.exception(), asyncio.CancelledError):  # else a thread goes on with its file
            await db.administer(leases.release, lease)


async def _wait_for_lease(db: Database) -> leases.Lease:
    await db.administer(_create_lease_table)
    holder = f"process {os.getpid()} on {socket.gethostname()}, {uuid.uuid4()}"
    deadline = time.monotonic() + _WAIT_SECONDS
    told = False
    while (lease := await db.administer(leases.acquire, _LEASE, holder, _LEASE_SECONDS)) is None:
        if not told and (other := await db.administer(leases.get, _LEASE)):
            until = datetime.fromtimestamp(other.expires / 1_000_000, UTC).isoformat(timespec="seconds")
            logger.warning("%s migrates the database: waiting until it is done, or %s if it died", other.holder, until)
            told = True
        if time.monotonic() > deadline:
            raise TenantryError(Code.UNAVAILABLE, "another process has been migrating the database for a minute")
        await asyncio.sleep(_POLL_SECONDS)
    return lease


async def _beat(db: Database, lease: leases.Lease) -> None:
    held = True
    while held:
        await asyncio.sleep(_LEASE_SECONDS / 3)
        try:
            held = await _renew(db, lease)
        except Exception as error:  # noqa: BLE001 - there is time for another try
            logger.warning("the lease of the migration was not renewed: %s", error)


async def _renew(db: Database, lease: leases.Lease) -> bool:
    """Hold the lease for longer; False when it has expired, and another may have it."""
    try:
        await db.administer(leases.renew, lease, _LEASE_SECONDS)
    except TenantryError as error:
        if error.code is not Code.CONFLICT:
            raise
        return False
    return True


def _create_lease_table(unit: Unit) -> None:
    columns = {"name": "word", "holder": "text", "token": "int", "expires": "int"}
    create_table(unit.database, "lease", columns, primary_key=("name",))


def _apply(unit: Unit, name: str) -> None:
    Runner(unit.database, directory=str(_DIRECTORY), table_name=_TABLE).up(name)  # type: ignore[no-untyped-call]


def _pending(unit: Unit) -> list[str]:
    applied = _applied(unit)
    return [name for name in _brought() if name not in applied]


def _brought() -> list[str]:
    """The names of the migrations that this release brings, in their order."""
    return sorted((path.stem for path in _DIRECTORY.glob("[0-9]*.py")), key=lambda name: (_number(name), name))


def _applied(unit: Unit) -> frozenset[str]:
    """The names of those that the database has seen; playhouse would make a model and an object of each to tell."""
    if not unit.database.table_exists(_TABLE):
        return frozenset()
    return frozenset(name for (name,) in unit.database.run(f"SELECT name FROM {_TABLE}").fetchall())  # noqa: S608 - ours


def _number(name: str) -> int:
    found = re.match(r"\d+", name)
    return int(found[0]) if found else 0
