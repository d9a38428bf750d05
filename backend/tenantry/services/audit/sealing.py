"""The sealer: chains the audit rows of each tenant, by a key that is not in the database, within a second of commit.

Every replica runs it and one of them has the turn. A row that is not sealed is found as such, whenever it was
committed. Old rows are taken off the beginning of a chain, which is signed anew, so that the rest is still whole.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections import defaultdict
from functools import partial

from tenantry.model import ids
from tenantry.model.audit import AuditEvent
from tenantry.model.audit_chain import Chain, Link, Seals
from tenantry.services.setbacks import Setbacks
from tenantry.services.turns import Turn
from tenantry.storage import audit_chains
from tenantry.storage.db import Database

LEASE = "sealer"
TICK = 1.0  # seconds between two looks: refusals are rows too, and of those no change log tells
BATCH = 200
HOUSEKEEPING = 600.0  # seconds between two times that it logs the heads and removes what is old
_HEADS_OF_A_LINE = 100  # 11 KB: container engines cut lines beyond 16 KiB
_DAY = 86_400 * 1_000_000

log = logging.getLogger(__name__)


class Sealer:
    """Seals for all replicas while it has the turn.

    Args:
        db: where the rows are.
        seals: without a key, no row is sealed.
        retention_days: how long rows are kept; 0 for ever.
    """

    def __init__(self, db: Database, seals: Seals, *, retention_days: int = 0) -> None:
        self._db = db
        self._seals = seals
        self._retention = retention_days * _DAY
        self._turn = Turn(db, LEASE)
        self._tidy_at = 0.0  # in the loop's time
        self._heads: dict[str, Chain] = {}  # of what was sealed since they were logged last
        self._broken: set[str] = set()  # tenants whose chain was complained about

    async def run(self) -> None:
        """Seal until cancelled."""
        if not self._seals:
            log.warning("TENANTRY_KEY_FILE is not set: the audit log is not sealed, and nobody would notice a change")
        self._tidy_at = asyncio.get_running_loop().time() + HOUSEKEEPING
        try:
            await Setbacks(log, "audit rows wait for their seals").repeat(self._look, TICK)
        finally:
            self._log_heads()
            await self._turn.give_back()

    async def _look(self) -> None:
        if not await self._turn.is_mine():
            return
        await self.seal()
        now = asyncio.get_running_loop().time()
        if now >= self._tidy_at:
            self._tidy_at = now + HOUSEKEEPING
            await self.tidy(ids.now_micros())

    async def seal(self) -> None:
        """Seal what is committed now."""
        full = bool(self._seals)
        while full:
            waiting = await self._db.run(audit_chains.waiting, BATCH, self._broken)
            full = len(waiting) == BATCH
            if waiting:
                await self._seal(waiting)

    async def tidy(self, now: int) -> None:
        """Log what the chains end with, so that it stands outside the database too, and remove what is too old."""
        self._log_heads()
        self._broken.clear()
        if not self._retention:
            return
        before = now - self._retention
        if not self._seals:
            while await self._db.run(audit_chains.remove_waiting, ids.first_uuid7(before), BATCH, write=True):
                pass
            return
        done: set[str] = set()
        while old := await self._db.run(audit_chains.with_rows_before, ids.first_uuid7(before), BATCH, done):
            for tenant_id in old:
                if not await self._shorten(tenant_id, before):
                    done.add(tenant_id)
            if not await self._turn.is_mine():
                return
            await self.seal()  # a long past is no reason to be late

    async def _seal(self, waiting: list[AuditEvent]) -> None:
        events: dict[str, list[AuditEvent]] = defaultdict(list)
        for event in waiting:
            events[event.tenant_id].append(event)
        grown: list[tuple[Chain, Chain, list[Link]]] = []
        for tenant_id, chain in (await self._db.run(audit_chains.ends, list(events))).items():
            if chain is None or (chain.position and not self._seals.is_signed(chain)):
                self._complain(tenant_id, "no row of it is sealed any more")
            else:
                grown.append((chain, *self._seals.extend(chain, events[tenant_id])))
        if grown:
            await self._db.run(audit_chains.extend, grown, write=True)
            self._heads.update((after.tenant_id, after) for _, after, _ in grown)

    async def _shorten(self, tenant_id: str, before: int) -> bool:
        """Remove the first rows of a chain as far as they are older than ``before``; False when none is."""
        chain, links = await self._db.run(partial(audit_chains.page, limit=BATCH), tenant_id, snapshot=True)
        if chain is None or not self._seals.is_signed(chain):
            self._complain(tenant_id, "no row of it is removed")
            return False
        removed, seal = chain.removed, chain.removed_seal
        for link in links:
            if link.event.at >= before:
                break
            if link.position != removed + 1 or not self._seals.is_sealed(link, seal):
                self._complain(tenant_id, "no row of it is removed from there on")
                break
            removed, seal = link.position, link.seal
        if removed == chain.removed:
            return False
        shorter = self._seals.sign(dataclasses.replace(chain, removed=removed, removed_seal=seal))
        await self._db.run(audit_chains.remove, chain, shorter, write=True)
        return True

    def _complain(self, tenant_id: str, what: str) -> None:
        self._broken.add(tenant_id)
        log.error(
            "the audit chain of %s is not as it was sealed, or was with a key that TENANTRY_KEY_FILE does not have, "
            "and %s: run tenantry audit verify",
            tenant_id or "the platform",
            what,
        )

    def _log_heads(self) -> None:
        heads = [f"{chain.tenant_id or 'platform'}={chain.head}" for chain in self._heads.values()]
        for first in range(0, len(heads), _HEADS_OF_A_LINE):
            log.info("audit chains end at %s", " ".join(heads[first : first + _HEADS_OF_A_LINE]))
        self._heads.clear()
