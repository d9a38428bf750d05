"""Whose turn it is to do what only one replica does at a time: by a lease, which is renewed while its holder works."""

from __future__ import annotations

import asyncio
import logging

from tenantry.model import ids
from tenantry.model.errors import Code, TenantryError
from tenantry.storage import leases
from tenantry.storage.db import Database

LEASE_SECONDS = 10.0

log = logging.getLogger(__name__)


class Turn:
    """One replica's part in a lease. ``token`` is that of the turn it has, 0 while it has none."""

    def __init__(self, db: Database, name: str) -> None:
        self._db = db
        self._name = name
        self._holder = ids.uuid7()
        self._lease: leases.Lease | None = None
        self._look_at = 0.0  # in the loop's time

    @property
    def token(self) -> int:
        """That of the lease; another one tells that somebody else may have worked in between."""
        return self._lease.token if self._lease else 0

    async def is_mine(self) -> bool:
        """Whether this replica may work now, and for some seconds more; takes the lease when it is free."""
        now = asyncio.get_running_loop().time()
        if now >= self._look_at:
            self._lease = await self._hold()
            self._look_at = now + (LEASE_SECONDS / 3 if self._lease else 1)
        return self._lease is not None

    async def give_back(self) -> None:
        """Let another replica have it at once."""
        if self._lease is None:
            return
        try:
            await asyncio.shield(self._db.run(leases.release, self._lease, write=True))
        except Exception as error:  # noqa: BLE001 - it expires by itself
            log.warning("the lease %s was not given back: %s", self._name, error)

    async def _hold(self) -> leases.Lease | None:
        if self._lease is None:
            return await self._db.run(leases.acquire, self._name, self._holder, LEASE_SECONDS, write=True)
        try:
            return await self._db.run(leases.renew, self._lease, LEASE_SECONDS, write=True)
        except TenantryError as error:
            if error.code is not Code.CONFLICT:
                raise
            log.warning("the %s rests: %s", self._name, error.message)
            return None
