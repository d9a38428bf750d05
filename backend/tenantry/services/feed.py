"""The change feed: one poller a process reads the change log in seq order and hands each change to its subscribers.

Between two polls a commit of this process wakes it; other replicas' commits are seen by the next poll. A window of the
last changes is kept in memory, so that a watch which starts at a recent seq replays from there, and the step from
replay to live is one statement of the event loop: nothing is lost or sent twice in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Callable
from itertools import takewhile

from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError
from tenantry.model.resource import Change
from tenantry.storage import changes
from tenantry.storage.db import Database

log = logging.getLogger(__name__)

#: seconds between two polls that nothing woke
POLL = (0.25, 0.5)
#: changes kept in memory, and read from the database at a time
WINDOW = 4096
#: seconds that a list waits for a seq which this replica has not seen
PATIENCE = 3.0
BATCH = 500

Subscriber = Callable[[list[Change]], None]


class Feed:
    """Reads the change log once for everybody in this process."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._window: deque[Change] = deque()
        self._subscribers: set[Subscriber] = set()
        self._wake = asyncio.Event()
        self._advanced = asyncio.Condition()
        self.seq = 0  # everything up to here was handed out
        self._start = 0  # the window holds everything after this

    async def run(self) -> None:
        """Poll until cancelled; an unreachable database is waited for."""
        self._db.on_commit(lambda _: self._wake.set())
        self.seq = self._start = await self._first_seq()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(random.uniform(*POLL)):  # noqa: S311 - jitter
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self._catch_up()
            except TenantryError as error:
                log.warning("the change log cannot be read: %s", error.message)

    async def _first_seq(self) -> int:
        while True:
            try:
                return await self._db.run(changes.current_seq)
            except TenantryError as error:
                log.warning("the change log cannot be read: %s", error.message)
                await asyncio.sleep(POLL[1])

    async def _catch_up(self) -> None:
        while batch := await self._db.run(changes.read, self.seq, BATCH):
            self._publish(batch)
            async with self._advanced:
                self._advanced.notify_all()
            if len(batch) < BATCH:
                return

    def _publish(self, batch: list[Change]) -> None:
        self._window.extend(batch)
        while len(self._window) > WINDOW:
            self._start = self._window.popleft().seq
        self.seq = batch[-1].seq
        for subscriber in tuple(self._subscribers):
            subscriber(batch)

    async def subscribe(self, subscriber: Subscriber, after: int) -> list[Change]:
        """Register ``subscriber`` for what comes, and return every change after ``after`` that it has missed.

        Raises:
            TenantryError: EXPIRED when the log no longer reaches back to ``after``.
        """
        missed: list[Change] = []
        while after < self._start:
            oldest = await self._db.run(changes.compacted_to)
            if after < oldest:
                raise expired(after, oldest)
            batch = await self._db.run(changes.read, after, BATCH)
            if not batch:
                break
            missed += batch
            after = batch[-1].seq
        # from here on nothing awaits: the window and the subscription meet without a gap
        missed += self._after(after)
        self._subscribers.add(subscriber)
        return missed

    def _after(self, seq: int) -> list[Change]:
        newer = list(takewhile(lambda change: change.seq > seq, reversed(self._window)))
        return newer[::-1]

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Hand nothing more to ``subscriber``."""
        self._subscribers.discard(subscriber)

    async def wait_for(self, seq: int, timeout: float) -> bool:  # noqa: ASYNC109 - the caller's patience, not a cancel scope
        """Wait until the feed has reached ``seq``; False when it has not within ``timeout`` seconds."""
        self._wake.set()
        try:
            async with asyncio.timeout(timeout), self._advanced:
                await self._advanced.wait_for(lambda: self.seq >= seq)
        except TimeoutError:
            return False
        return True

    async def reach(self, seq: int) -> None:
        """Wait a moment until this replica has seen ``seq``; TIMEOUT when that is in the future."""
        if self.seq < seq and not await self.wait_for(seq, PATIENCE):
            field = FieldError("", FieldCode.RESOURCE_VERSION_TOO_LARGE, "Too large resource version")
            message = f"Too large resource version: {seq}, current: {self.seq}"
            raise TenantryError(Code.TIMEOUT, message, [field], retry_after=1)


def expired(seq: int, oldest: int) -> TenantryError:
    """The EXPIRED of a change number that the log no longer reaches back to."""
    return TenantryError(Code.EXPIRED, f"too old resource version: {seq} ({oldest})")
