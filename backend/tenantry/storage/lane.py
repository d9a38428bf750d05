"""A lane: a bounded queue of jobs from the event loop to the threads that own the connections."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from queue import Empty, SimpleQueue
from typing import Any, TypeVar, TypeVarTuple

from prometheus_client import Histogram

from tenantry import metrics
from tenantry.model.errors import Code, TenantryError
from tenantry.model.notice import Notice
from tenantry.storage.unit import Unit

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
OnCommit = Callable[[int, Sequence[Notice]], None]

#: A slow function is named in the log this often, in seconds; the metrics count all of them.
SLOW_LOG_INTERVAL = 60.0
#: For so many seconds a database is waited for that has not answered for long.
LEAST_SECONDS = 1.0

logger = logging.getLogger(__name__)
_named: dict[str, float] = {}  # slow functions, and when the log last named each


@dataclass(slots=True, eq=False)
class Job:
    """One function on its way to a thread; its outcome goes to ``future`` on the loop."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    write: bool
    snapshot: bool  # all that it reads is of one moment
    deadline: float  # of time.monotonic(): whoever waits for it is told by then
    future: asyncio.Future[Any]
    slow: float  # seconds; a longer run is logged
    begun: bool = False
    alarm: asyncio.TimerHandle | None = None  # rings at the deadline

    @property
    def name(self) -> str:
        """``module.function`` within its layer, from a small set; for logs and metrics."""
        function = getattr(self.function, "func", self.function)  # what a partial wraps
        return _name(function.__module__, function.__name__)

    def call(self, unit: Unit) -> Any:
        """Run the function on the calling thread."""
        started = time.perf_counter()
        try:
            result = self.function(unit, *self.arguments)
            unit.close()
            return result
        finally:
            elapsed = time.perf_counter() - started
            _seconds(self.name, unit.dialect).observe(elapsed)
            if elapsed > self.slow and _named.get(self.name, -math.inf) < started - SLOW_LOG_INTERVAL:
                _named[self.name] = started
                logger.debug("unit %s took %d ms", self.name, elapsed * 1000)


@lru_cache(maxsize=512)
def _name(module: str, function: str) -> str:
    return f"{module.split('.', 2)[-1]}.{function}"


@lru_cache(maxsize=512)
def _seconds(name: str, dialect: str) -> Histogram:
    return metrics.DB_UNIT_SECONDS.labels(name, dialect)


@dataclass(slots=True)
class Outcome:
    """How a job ended: ``error`` or ``result``."""

    job: Job
    result: Any = None
    error: BaseException | None = None
    seq: int = 0  # the highest that it has committed
    news: Sequence[Notice] = ()  # what it has committed tells of


class Lane:
    """Threads that serve one queue, and the limit on how much may be in it or running.

    Args:
        name: of the threads.
        serve: what each thread runs: it takes jobs from :meth:`jobs` until they end, and settles each.
        threads: how many.
        limit: jobs waiting or running; one more is refused.
        slow: seconds after which a function is named in the log.
        on_commit: called on the loop with the highest seq of a commit that took some, and what it tells of, before any
            of those hear of it who wait for it.
    """

    def __init__(  # noqa: PLR0913 - one keyword per limit
        self,
        name: str,
        serve: Callable[[Lane], None],
        *,
        threads: int,
        limit: int,
        slow: float,
        on_commit: OnCommit | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._limit = limit
        self._admitted = 0
        self._running = 0  # jobs on threads
        self._heard = 0.0  # when the database last answered, or was asked after a rest, of time.monotonic()
        self._lock = threading.Lock()  # of a job's begin, which does not happen after its deadline
        metrics.DB_QUEUE.labels(name).set_function(lambda: self._admitted)
        self._slow = slow
        self._closed = False
        self._on_commit = on_commit
        self._threads = [
            threading.Thread(target=serve, args=(self,), name=f"{name}-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    # -- on the event loop -------------------------------------------------------------------------------------------

    async def run(
        self,
        function: Callable[[Unit, *Ts], T],
        arguments: tuple[*Ts],
        *,
        write: bool,
        snapshot: bool = False,
        timeout: float,  # noqa: ASYNC109 - what has begun on a thread cannot be cancelled
    ) -> T:
        """Run ``function(unit, *arguments)`` on one of the threads.

        Raises:
            TenantryError: ``UNAVAILABLE`` when the lane is full or closed, when no thread got to it within ``timeout``
                seconds, or what it reads was not there by then; ``TIMEOUT`` when it writes and had begun, for then it
                may still be done.
        """
        if self._closed:
            raise TenantryError(Code.UNAVAILABLE, "the database is being closed", retry_after=1)
        if self._admitted >= self._limit:
            metrics.DB_REFUSED.labels("full").inc()
            raise TenantryError(Code.UNAVAILABLE, "too many requests wait for the database", retry_after=1)
        now = time.monotonic()
        if self._running:  # nobody waits for a silent database for much longer than who asked it first
            timeout = max(self._heard + timeout - now, min(timeout, LEAST_SECONDS))
        future: asyncio.Future[T] = self._loop.create_future()
        job = Job(function, arguments, write, snapshot, now + timeout, future, self._slow)
        if timeout < math.inf:
            job.alarm = self._loop.call_later(timeout, self._give_up, job, timeout)
        self._admitted += 1
        self._queue.put(job)
        return await future

    async def close(self, grace: float) -> None:
        """Let what was admitted finish within ``grace`` seconds, and end the threads."""
        if self._closed:
            return
        self._closed = True
        for _ in self._threads:
            self._queue.put(None)
        deadline = time.monotonic() + grace
        for thread in self._threads:
            await asyncio.to_thread(thread.join, max(0.0, deadline - time.monotonic()))

    def _give_up(self, job: Job, timeout: float) -> None:
        """Tell the awaiter of ``job`` that its time is over; a thread that has begun it goes on."""
        with self._lock:
            if not job.future.done():
                job.future.set_exception(_overdue(job, timeout))

    def _resolve(self, outcomes: Sequence[Outcome]) -> None:
        self._admitted -= len(outcomes)
        seq = max(outcome.seq for outcome in outcomes)
        if seq and self._on_commit:
            try:
                self._on_commit(seq, [each for outcome in outcomes for each in outcome.news])
            except Exception:  # whoever waits for what is committed hears of it all the same
                logger.exception("nobody was told of what was committed up to %d", seq)
        for outcome in outcomes:
            job, future = outcome.job, outcome.job.future
            if job.alarm:
                job.alarm.cancel()
            if job.begun:
                self._note_end(outcome)
            elif not future.cancelled():
                metrics.DB_REFUSED.labels("deadline").inc()
            if future.done():  # the awaiter went away, or was told; what was committed stays committed
                continue
            if outcome.error is not None:
                future.set_exception(outcome.error)
            else:
                future.set_result(outcome.result)

    def _note_end(self, outcome: Outcome) -> None:
        with self._lock:
            self._running -= 1
            if not (isinstance(outcome.error, TenantryError) and outcome.error.code is Code.UNAVAILABLE):
                self._heard = time.monotonic()

    # -- on the threads ----------------------------------------------------------------------------------------------

    def jobs(self) -> Iterator[Job]:
        """Jobs as they come, until the lane is closed."""
        while (job := self._queue.get()) is not None:
            if self._begin(job):
                yield job

    def next_waiting(self) -> Job | None:
        """A job that waits already, if one does."""
        with contextlib.suppress(Empty):
            while (job := self._queue.get_nowait()) is not None:
                if self._begin(job):
                    return job
            self._queue.put(None)  # for jobs()
        return None

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Hand over how jobs ended."""
        for outcome in outcomes:
            if isinstance(outcome.error, StopIteration):  # a future takes no StopIteration
                outcome.error = RuntimeError(f"{outcome.job.name} raised StopIteration")
        with contextlib.suppress(RuntimeError):  # the loop is gone, and with it whoever waited
            self._loop.call_soon_threadsafe(self._resolve, outcomes)

    def _begin(self, job: Job) -> bool:
        """Whether ``job`` is still wanted and in time; it has begun then."""
        with self._lock:
            now = time.monotonic()
            if not job.future.done() and now <= job.deadline:
                job.begun = True
                if not self._running:
                    self._heard = now
                self._running += 1
                return True
        self.settle([Outcome(job, error=_overdue(job))])  # whoever does not wait any more does not hear it
        return False


def _overdue(job: Job, timeout: float = 0.0) -> TenantryError:
    if not job.begun:
        return TenantryError(Code.UNAVAILABLE, "the database is too busy", retry_after=1)
    message = f"the database did not answer within {timeout:.2g} s"
    if not job.write:
        return TenantryError(Code.UNAVAILABLE, message, retry_after=1)
    return TenantryError(Code.TIMEOUT, f"{message}, and may still do what it was asked to: look first", retry_after=1)
