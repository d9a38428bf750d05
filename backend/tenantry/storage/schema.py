"""The schema's version: bringing a database up to date, and telling whether this release can work with one.

Migrations are the numbered files of ``migrations/``, run by playhouse under a lease row. The number's hundreds are the
release. What a release no longer needs is dropped by the release after it, so a pod works with the schema of its own
release and with that of the next: a rolling upgrade migrates first and never meets a pod that it breaks.
"""

from __future__ import annotations

import math
import time
import uuid
from dataclasses import dataclass
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
_LEASE = "migrations"
_LEASE_SECONDS = 300.0
_WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.2


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


async def migrate(db: Database) -> list[str]:
    """Apply what is missing and return the names; wait for another that is doing so.

    Raises:
        TenantryError: ``UNAVAILABLE``, another held the lease for a minute.
    """
    return await db.administer(_migrate, timeout=math.inf)


async def state(db: Database) -> SchemaState:
    """Where the database is and where it should be."""
    return await db.administer(_state)


def _state(unit: Unit) -> SchemaState:
    rows = _runner(unit).status()  # type: ignore[no-untyped-call]
    return SchemaState(
        current=max((row.idx for row in rows if row.applied), default=0),
        expected=max(row.idx for row in rows if row.path),
    )


def _migrate(unit: Unit) -> list[str]:
    runner = _runner(unit)
    if not _pending(runner):
        return []
    columns = {"name": "word", "holder": "text", "token": "int", "expires": "int"}
    create_table(unit.database, "lease", columns, primary_key=("name",))
    lease = _wait_for_lease(unit)
    done = []
    try:
        for name in _pending(runner):
            leases.renew(unit, lease, _LEASE_SECONDS)
            runner.up(name)  # type: ignore[no-untyped-call]
            done.append(name)
    finally:
        leases.release(unit, lease)
    return done


def _wait_for_lease(unit: Unit) -> leases.Lease:
    holder = str(uuid.uuid4())
    deadline = time.monotonic() + _WAIT_SECONDS
    while (lease := leases.acquire(unit, _LEASE, holder, _LEASE_SECONDS)) is None:
        if time.monotonic() > deadline:
            raise TenantryError(Code.UNAVAILABLE, "another process has been migrating the database for a minute")
        time.sleep(_POLL_SECONDS)
    return lease


def _pending(runner: Runner) -> list[str]:
    rows = runner.status()  # type: ignore[no-untyped-call]
    return [row.name for row in rows if row.path and not row.applied]


def _runner(unit: Unit) -> Runner:
    return Runner(unit.database, directory=str(_DIRECTORY))  # type: ignore[no-untyped-call]
