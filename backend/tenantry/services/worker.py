"""The one worker: what follows from a write for other objects, and what time brings about.

Every replica runs it and one of them holds the lease. It recomputes the status of objects whose plan, claims or count
changed (queued by ``resources/meaning.py``), in batches, within a second; it has webhooks told of what has happened;
and it compacts the change log, purges tombstones, removes expired answers and forgets old departures, sign-ins and
attempts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVarTuple

import orjson

from tenantry.model import ids
from tenantry.model.audit import AuditEvent
from tenantry.model.errors import TenantryError
from tenantry.model.identity import Actor
from tenantry.model.kinds import BY_NAME, TENANT
from tenantry.model.resource import API, Tombstone, Verb
from tenantry.services.feed import Feed
from tenantry.services.resources import meaning, transactions
from tenantry.services.setbacks import Setbacks
from tenantry.services.turns import Turn
from tenantry.services.webhooks.deliveries import Deliveries
from tenantry.services.withdrawal import forget_tenant
from tenantry.storage import (
    audit,
    changes,
    claims,
    departures,
    idempotency,
    logins,
    resources,
    throttle,
    tombstones,
    work,
)
from tenantry.storage.changes import PendingChange
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

Ts = TypeVarTuple("Ts")

log = logging.getLogger(__name__)

LEASE = "worker"
#: seconds between two looks at what was written, of which the feed tells within 0.7 s; to be woken by each commit would
#: cost each a query
TICK = 0.3
BATCH = 100
#: the change log keeps an hour and at most this many bytes
KEEP_MICROS = 3600 * 1_000_000
KEEP_BYTES = 256 * 1024 * 1024
#: no message of an operator is on its way for that long
KEEP_DEPARTURES_MICROS = 3600 * 1_000_000
HOUSEKEEPING = 30.0  # seconds

#: who acts when nobody has asked for it
ACTOR = Actor(name=LEASE)
_LEFT_OVER = "orphaned, and its tenant is gone or another object has the layer"


class Worker:
    """Works for all replicas while it holds the lease.

    Args:
        db: where the work is.
        feed: tells whether anything was written.
        deliveries: sends messages to webhooks.
        chores: what else is to be looked at now and then, by one replica.
    """

    def __init__(
        self,
        db: Database,
        feed: Feed,
        deliveries: Deliveries,
        chores: Sequence[Callable[[], Awaitable[None]]] = (),
    ) -> None:
        self._db = db
        self._feed = feed
        self._deliveries = deliveries
        self._chores = chores
        self._turn = Turn(db, LEASE)
        self._token = 0  # of the turn in which it worked last
        self._rested = -1  # the feed's seq at which there was nothing to do
        self._tidy_at = 0.0  # in the loop's time

    async def run(self) -> None:
        """Work until cancelled; give the lease back then."""
        try:
            await Setbacks(log, "the work waits").repeat(self._look, TICK)
        finally:
            await self._deliveries.close()
            await self._turn.give_back()

    async def _look(self) -> None:
        if not await self._turn.is_mine():
            self._deliveries.rest()
            return
        loop = asyncio.get_running_loop()
        tidy = loop.time() >= self._tidy_at
        if await self._try_work(tidy=tidy) and tidy:
            self._tidy_at = loop.time() + HOUSEKEEPING

    async def _try_work(self, *, tidy: bool) -> bool:
        """Do what there is to do; False when it is left for the next look because a write was faster."""
        if self._token != self._turn.token:  # another has worked, and may have left something
            self._token, self._rested = self._turn.token, -1
        try:
            if tidy or self._feed.seq != self._rested or self._deliveries.is_due():
                await self._work()
        except TenantryError as error:
            if not error.raced:
                raise
            return False
        return not tidy or await self._tidy()

    async def _work(self) -> None:
        """Do what waits now; what comes meanwhile is for the next look, so that no object is rewritten all the time.

        What is queued comes with a change, of which the feed hears; or from this work, after which it looks again.
        """
        seq, done = self._feed.seq, 0
        for kind, do in ((work.USERS, _spread), (work.STATUS, _refresh)):
            batch = None
            while batch is None or len(batch) == BATCH:
                batch = await self._db.run(work.take, kind, BATCH)
                if batch:
                    await self._db.run(do, batch, ids.now_micros(), write=True)
                    done += len(batch)
        await self._deliveries.work()  # so webhooks were told of everything that is compacted after this
        self._rested = -1 if done else seq

    async def _tidy(self) -> bool:
        """Do all chores, also when one of them fails; False when a write was faster than one, for the next look."""
        now, done = ids.now_micros(), True
        chores: Sequence[Callable[[], Awaitable[None]]] = (
            partial(self._repeat, changes.compact, now - KEEP_MICROS, KEEP_BYTES),
            partial(self._repeat, idempotency.forget_expired, now, BATCH),
            partial(self._repeat, departures.forget, now - KEEP_DEPARTURES_MICROS, BATCH),
            partial(self._repeat, throttle.forget_expired, now, BATCH),
            partial(self._repeat, logins.forget_expired, now, BATCH),
            partial(self._repeat, _purge, now),
            self._deliveries.measure,
            *self._chores,
        )
        for chore in chores:
            try:
                await chore()
            except Exception as error:
                if isinstance(error, TenantryError) and error.raced:
                    done = False
                else:
                    log.warning("a chore failed, and is tried again in %.0f s: %s", HOUSEKEEPING, error, exc_info=error)
        return done

    async def _repeat(self, remove: Callable[[Unit, *Ts], int], *args: *Ts) -> None:
        """Run units of ``remove`` until it finds nothing more."""
        while await self._db.run(remove, *args, write=True):
            pass


def _purge(unit: Unit, now: int) -> int:
    """Purge one: it may have had a thousand keys, and nobody is to wait for those of the others too."""
    due = tombstones.find_due(unit, now, 1)
    for tombstone in due:
        if not tombstones.purge(unit, tombstone.slug):
            continue  # it was taken back, or its name set free, at this moment
        audit.append(unit, _purged(tombstone, now))
        changes.announce(unit, forget_tenant(unit, tombstone.tenant_id), at=now)
    return len(due)


def _purged(tombstone: Tombstone, now: int) -> AuditEvent:
    return AuditEvent(
        id=ids.uuid7(),
        at=now,
        actor=LEASE,
        action="purge",
        kind=TENANT.name,
        name=tombstone.slug,
        tenant_id=tombstone.tenant_id,
    )


def _spread(unit: Unit, batch: list[work.Item], now: int) -> None:
    """Queue the tenants on the plans that changed, after those changes: none that came meanwhile is passed over."""
    for item in batch:
        work.add_users_of_plan(unit, item.key, now)
    work.finish(unit, work.USERS, batch)


def _refresh(unit: Unit, batch: list[work.Item], now: int) -> None:
    """Recompute the status of the queued objects, in the order of their uids, and publish what changed.

    Those of clusters only claim what has become free: their status is their operator's.
    """
    pending = []
    for item in sorted(batch, key=lambda item: item.key):
        current = resources.get_by_uid(unit, item.key)
        if current is None:
            continue
        if meaning.is_left_over(unit, current):
            pending.append(transactions.withdraw(unit, ACTOR, current, now, _LEFT_OVER))
            continue
        if current.managed_by != API and not claims.is_waiting(unit, current.uid):
            continue
        spec = BY_NAME[current.kind].spec.model_validate(orjson.loads(current.spec))
        fresh = meaning.evaluate(unit, current, spec, now)
        if fresh.status != current.status:
            resources.update(unit, fresh, current.seq)
            pending.append(PendingChange(resource=fresh, verb=Verb.MODIFIED, prev_labels=current.labels(), at=now))
    work.finish(unit, work.STATUS, batch)
    changes.commit(unit, pending)
