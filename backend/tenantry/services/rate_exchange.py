"""How replicas learn what the others have admitted: busy buckets are added up in the database once a second.

What is seldom used costs nothing, and neither reads nor writes anything.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging

from tenantry.model import ids
from tenantry.model.errors import TenantryError
from tenantry.services.rate_limits import Key, RateLimits
from tenantry.services.setbacks import Setbacks
from tenantry.storage import spending
from tenantry.storage.db import Database

SECONDS = 1.0
#: buckets that one replica adds up at a time: the busiest
_MOST = 200
#: nobody needs to know what a bucket spent that has been full since
_KEEP_MICROS = 600 * 1_000_000
_BATCH = 100

log = logging.getLogger(__name__)


class RateExchange:
    """The part of one replica."""

    def __init__(self, db: Database, limits: RateLimits) -> None:
        self._db = db
        self._limits = limits
        self._totals: dict[Key, int] = {}  # of the buckets that were busy at the last exchange

    async def run(self) -> None:
        """Exchange until cancelled."""
        setbacks = Setbacks(log, "the replicas do not know of one another's requests")
        while True:
            await asyncio.sleep(SECONDS)
            try:
                await self.exchange()
            except TenantryError as error:
                if not error.raced:
                    await setbacks.wait(error)
            except Exception as error:  # noqa: BLE001 - whatever the database says, it may be well again
                await setbacks.wait(error)
            else:
                setbacks.clear()

    async def exchange(self) -> None:
        """Tell what was admitted here since the last time, and count what was elsewhere."""
        counts = self._limits.collect(self._totals, SECONDS, _MOST)
        before, self._totals = self._totals, {}
        if not counts:
            return
        names = {hashlib.sha256(repr(tuple(key)).encode(errors="replace")).hexdigest(): key for key in counts}
        told = {name: counts[key] for name, key in names.items()}
        totals = await self._db.run(spending.add, told, ids.now_micros(), write=True)
        self._totals = {names[name]: total for name, total in totals.items()}
        for key, total in self._totals.items():
            if key in before:  # else nobody knows how much of it is old
                self._limits.charge(key, total - before[key] - counts[key])

    async def forget_old(self) -> None:
        """Remove what is of no use any more; one replica does."""
        while await self._db.run(spending.forget, ids.now_micros() - _KEEP_MICROS, _BATCH, write=True):
            pass
