"""A work queue as client-go's (``util/workqueue``): one worker at a time handles a key, and what comes then once more.

Keys are added, not events: a worker looks at the world as it is then.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from tenantry_operator import metrics

K = TypeVar("K", bound=Hashable)

WORKERS = 16
FIRST_DELAY, LONGEST_DELAY = 0.5, 300.0  # seconds
#: what follows a key's first event within this many seconds is handled together
WINDOW = 0.2

logger = logging.getLogger(__name__)


class WorkQueue(Generic[K]):
    """Keys that wait, are handled, or come back later; all in one event loop.

    Args:
        handle: what is done with a key. When it raises, the key comes back with exponential backoff.
    """

    def __init__(self, handle: Callable[[K], Awaitable[None]]) -> None:
        self._handle = handle
        self._ready: asyncio.Queue[K | None] = asyncio.Queue()
        self._dirty: dict[K, float] = {}  # to be handled, since when
        self._active: dict[K, float] = {}  # being handled, since when
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._quiet: dict[K, float] = {}  # until when further events are put together
        self._workers: list[asyncio.Task[None]] = []
        self._closed = False
        metrics.QUEUE_DEPTH.set_function(self._ready.qsize)
        metrics.QUEUE_UNFINISHED.set_function(lambda: sum(self._ages()))
        metrics.QUEUE_LONGEST.set_function(lambda: max(self._ages(), default=0))

    def add(self, key: K) -> None:
        """Handle ``key`` as soon as a worker is free; once, however often it is added until then."""
        if self._closed or key in self._dirty:
            return
        metrics.QUEUE_ADDS.inc()
        self._dirty[key] = self._now()
        if key not in self._active:
            self._ready.put_nowait(key)

    def add_after(self, key: K, delay: float) -> None:
        """Add ``key`` in ``delay`` seconds, or earlier if that was asked for before."""
        due = self._now() + delay
        timer = self._timers.get(key)
        if self._closed or (timer and timer.when() <= due):
            return
        if timer:
            timer.cancel()
        self._timers[key] = asyncio.get_running_loop().call_at(due, self._ring, key)

    def add_soon(self, key: K) -> None:
        """Add ``key`` at once, and once more at the end of the window for all that follows within it."""
        now = self._now()
        quiet = self._quiet.get(key, 0.0)
        if now < quiet:
            self.add_after(key, quiet - now)
        else:
            self._quiet[key] = now + WINDOW
            self.add(key)

    def add_rate_limited(self, key: K) -> None:
        """Add ``key`` after a delay that doubles with every failure until :meth:`forget`."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = min(FIRST_DELAY * 2 ** min(failures, 16), LONGEST_DELAY)
        metrics.QUEUE_RETRIES.inc()
        self.add_after(key, delay * random.uniform(0.8, 1.2))  # noqa: S311 - spreads retries, guards nothing

    def forget(self, key: K) -> None:
        """The key went well: its next failure is its first again."""
        self._failures.pop(key, None)

    def drop(self, key: K) -> None:
        """The key is no more: keep nothing of it."""
        self.forget(key)
        self._quiet.pop(key, None)
        if timer := self._timers.pop(key, None):
            timer.cancel()

    def start(self, workers: int = WORKERS) -> None:
        """Start handling keys."""
        self._workers = [asyncio.create_task(self._work(), name=f"worker {number}") for number in range(workers)]

    async def close(self, patience: float) -> None:
        """Take no more keys and let the workers finish theirs, for at most ``patience`` seconds."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        for _ in self._workers:
            self._ready.put_nowait(None)
        if self._workers:
            _, late = await asyncio.wait(self._workers, timeout=patience)
            for worker in late:
                worker.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _work(self) -> None:
        while (key := await self._ready.get()) is not None and not self._closed:
            start = self._active[key] = self._now()
            metrics.QUEUE_WAIT.observe(start - self._dirty.pop(key))
            try:
                await self._handle(key)
            except Exception:
                logger.exception("%s failed", key)
                self.add_rate_limited(key)
            finally:
                del self._active[key]
                metrics.QUEUE_WORK.observe(self._now() - start)
                if key in self._dirty:
                    self._ready.put_nowait(key)

    def _ring(self, key: K) -> None:
        del self._timers[key]
        self.add(key)

    def _ages(self) -> list[float]:
        now = self._now()
        return [now - start for start in self._active.values()]

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
