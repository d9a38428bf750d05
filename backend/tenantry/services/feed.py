"""The change feed: one poller a process reads the change log in seq order and hands each change to its subscribers.

Between two polls a commit of this process wakes it; other replicas' commits are seen by the next poll. A window of the
last changes is kept in memory, so that a watch which starts at a recent seq replays from there. A subscriber reads what
it has missed in batches, as fast as it can take them, and joins where the feed is: nothing is lost or sent twice in
between.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from operator import attrgetter
from typing import Protocol, TypeVar

from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError
from tenantry.model.resource import Change
from tenantry.services.setbacks import Setbacks
from tenantry.storage import changes
from tenantry.storage.db import Database

T = TypeVar("T")

log = logging.getLogger(__name__)

#: seconds between two polls that nothing woke
POLL = (0.4, 0.7)
#: seconds after a read in which commits gather for the next: each costs a thread and a query, whatever it brings
REST = 0.01
#: changes kept in memory, and how many bytes of them at most
WINDOW = 4096
WINDOW_SIZE = 16 * 1024 * 1024
#: seconds that a list waits for a seq which this replica has not seen, and the feed for one that it has seen
PATIENCE = 3.0
#: changes read from the database at a time
BATCH = 64
#: changes, and bytes of them, in a part that is read for one subscriber: as many may wait in memory for each
PART = 100
PART_SIZE = 64 * 1024

_size = attrgetter("size")


class Subscriber(Protocol):
    """Who is handed the changes."""

    def __call__(self, batch: list[Change]) -> None:
        """Take the next changes."""

    def fail(self, error: TenantryError) -> None:
        """Learn that changes are missing, and that no more come."""


class Feed:
    """Reads the change log once for everybody in this process."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._window: deque[Change] = deque()
        self._size = 0  # bytes in the window
        self._subscribers: set[Subscriber] = set()
        self._wake = asyncio.Event()
        self._committed = 0  # the last seq that this process has committed, as far as it tells anything
        self._advanced = asyncio.Condition()
        self.seq = 0  # everything up to here was handed out
        self.read_at = -math.inf  # when it was found last that this is all, in time.monotonic()
        self._start = 0  # the window holds everything after this
        self._behind = math.inf  # since when the database is before ``seq``, in the loop's time

    async def run(self) -> None:
        """Poll until cancelled; an unreachable database is waited for."""
        self._db.on_commit(self._note_commit)
        setbacks = Setbacks(log, "the change log cannot be read")
        self.seq = self._start = await self._first_seq(setbacks)
        await self._tell()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(random.uniform(*POLL)):  # noqa: S311 - jitter
                    await self._wake.wait()
            self._wake.clear()
            seq = self.seq
            try:
                await self._catch_up()
            except Exception as error:  # noqa: BLE001 - whatever the database says, it may be well again
                await setbacks.wait(error)
            else:
                setbacks.clear()
            if self.seq != seq:
                await asyncio.sleep(REST)

    def _note_commit(self, seq: int, _: object) -> None:
        self._committed = max(seq, self._committed)
        self._wake.set()

    async def _first_seq(self, setbacks: Setbacks) -> int:
        while True:
            try:
                return await self._db.run(changes.current_seq)
            except Exception as error:  # noqa: BLE001 - as above
                await setbacks.wait(error)

    async def _catch_up(self) -> None:
        full = True
        while full:
            now = time.monotonic()
            clock, batch = await self._db.run(changes.poll, self.seq, BATCH, self._committed)
            full = len(batch) == BATCH
            before = batch[0].seq - 1 if batch else clock
            if before > self.seq or self._is_set_back(clock):
                self._skip(before)
            while batch:
                first = part(batch, _size)
                self._publish(first)
                del batch[: len(first)]
            if not full:
                self.read_at = now
            await self._tell()

    def _is_set_back(self, clock: int) -> bool:
        """Whether an older state of the database was restored; a node that lags behind another looks so at first."""
        now = asyncio.get_running_loop().time()
        self._behind = min(self._behind, now) if clock < self.seq else math.inf
        return now - self._behind >= PATIENCE

    async def _tell(self) -> None:
        async with self._advanced:
            self._advanced.notify_all()

    def _publish(self, batch: list[Change]) -> None:
        self._window.extend(batch)
        self._size += sum(change.size for change in batch)
        while len(self._window) > WINDOW or self._size > WINDOW_SIZE:
            oldest = self._window.popleft()
            self._size -= oldest.size
            self._start = oldest.seq
        self.seq = batch[-1].seq
        for subscriber in tuple(self._subscribers):
            subscriber(batch)

    def _skip(self, seq: int) -> None:
        """Go on after ``seq``; neither this process nor its subscribers can learn what was in between."""
        log.warning("the change log goes on after %d, not after %d: watches begin anew", seq, self.seq)
        error = expired(self.seq, seq)
        self._window.clear()
        self._size, self._start, self.seq = 0, seq, seq
        self._committed = 0  # it may be of a state that is no more
        for subscriber in tuple(self._subscribers):
            self.unsubscribe(subscriber)
            subscriber.fail(error)

    async def read(self, after: int) -> list[Change]:
        """The changes after ``after``, which the feed has passed: a part of them, at least one.

        Raises:
            TenantryError: EXPIRED when the log no longer reaches back to ``after``, or the feed was set back before it.
        """
        if after >= self._start:
            first = after - self._start  # seqs have no gaps
            batch = part(islice(self._window, first, first + PART), _size)
        else:
            read = await self._db.run(changes.read_part, after, PART, PART_SIZE)
            batch = [change for change in read if change.seq <= self.seq]  # the rest will be handed out
        if not batch or batch[0].seq != after + 1:
            raise expired(after, await self._db.run(changes.compacted_to))
        return batch

    def subscribe(self, subscriber: Subscriber, after: int) -> bool:
        """Hand every change after ``after`` to ``subscriber``; False, and nothing, unless the feed is there."""
        if after != self.seq:
            return False
        self._subscribers.add(subscriber)
        return True

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


def part(items: Iterable[T], size: Callable[[T], int]) -> list[T]:
    """The first of ``items``, as many as may wait in memory for one subscriber; one at least, if there is one."""
    found, total = [], 0
    for item in items:
        found.append(item)
        total += size(item)
        if total >= PART_SIZE:
            break
    return found


def expired(seq: int, oldest: int) -> TenantryError:
    """The EXPIRED of a change number that the log no longer reaches back to."""
    return TenantryError(Code.EXPIRED, f"too old resource version: {seq} ({oldest})")
