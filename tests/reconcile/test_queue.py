"""The work queue, on a clock that jumps to the next timer instead of waiting for it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from itertools import pairwise
from typing import Any

from tenantry_operator.queue import LONGEST_DELAY, WINDOW, WorkQueue


class VirtualClock(asyncio.SelectorEventLoop):
    """An event loop whose time is that of its next timer whenever it has nothing else to do."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def time(self) -> float:
        """Seconds since the loop began."""
        return self.now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.now = max(self.now, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `work` on a virtual clock."""
    with asyncio.Runner(loop_factory=VirtualClock) as runner:
        runner.run(work())


def now() -> float:
    return asyncio.get_running_loop().time()


class Seen:
    """A handler that notes when it was called, and does what the test says."""

    def __init__(self, work: Callable[[str], Awaitable[None]] | None = None) -> None:
        self.calls: list[tuple[str, float]] = []
        self._work = work

    async def __call__(self, key: str) -> None:  # noqa: D102 - see the class
        self.calls.append((key, round(now(), 3)))
        if self._work:
            await self._work(key)


async def nap(_: str) -> None:
    """Work for a second."""
    await asyncio.sleep(1)


async def fail(_: str) -> None:
    """Fail as a request does."""
    raise RuntimeError("refused")


def test_a_key_is_handled_once_however_often_it_was_added() -> None:
    async def work() -> None:
        seen = Seen()
        queue = WorkQueue(seen)
        for key in "abaab":
            queue.add(key)
        queue.start()
        await asyncio.sleep(1)
        assert seen.calls == [("a", 0), ("b", 0)]
        await queue.close(1)

    run(work)


def test_a_key_added_while_it_is_handled_is_handled_once_more_and_never_twice_at_once() -> None:
    async def work() -> None:
        seen = Seen(nap)
        queue = WorkQueue(seen)
        queue.start()
        queue.add("a")
        await asyncio.sleep(0.5)
        queue.add("a")
        queue.add("a")
        await asyncio.sleep(5)
        assert seen.calls == [("a", 0), ("a", 1)]
        await queue.close(1)

    run(work)


def test_the_first_event_is_handled_at_once_and_those_that_follow_together() -> None:
    async def work() -> None:
        seen = Seen()
        queue = WorkQueue(seen)
        queue.start()
        for _ in range(30):
            queue.add_soon("a")
            await asyncio.sleep(WINDOW / 40)
        await asyncio.sleep(1)
        assert seen.calls == [("a", 0), ("a", WINDOW)]
        await queue.close(1)

    run(work)


def test_a_failing_key_comes_back_later_and_later_until_it_goes_well() -> None:
    async def work() -> None:
        seen = Seen(fail)
        queue = WorkQueue(seen)
        queue.start()
        queue.add("a")
        await asyncio.sleep(3600)
        times = [at for _, at in seen.calls]
        pauses = [after - before for before, after in pairwise(times)]
        for number, pause in enumerate(pauses):
            wanted = min(0.5 * 2**number, LONGEST_DELAY)
            assert 0.79 * wanted <= pause <= 1.21 * wanted
        assert len(pauses) > 15
        seen._work = None
        await asyncio.sleep(400)
        queue.forget("a")
        seen._work, start = fail, len(seen.calls)
        queue.add("a")
        await asyncio.sleep(0.7)
        assert len(seen.calls) == start + 2
        await queue.close(1)

    run(work)


def test_of_two_appointments_the_earlier_is_kept() -> None:
    async def work() -> None:
        seen = Seen()
        queue = WorkQueue(seen)
        queue.start()
        queue.add_after("a", 600)
        queue.add_after("a", 5)
        queue.add_after("a", 60)
        queue.add_after("b", 10)
        queue.drop("b")
        await asyncio.sleep(1000)
        assert seen.calls == [("a", 5)]
        await queue.close(1)

    run(work)


def test_at_the_end_what_is_begun_is_finished_and_nothing_else_is_begun() -> None:
    async def work() -> None:
        done = []

        async def slow(key: str) -> None:
            await asyncio.sleep(1 if key == "quick" else 100)
            done.append(key)

        queue = WorkQueue(slow)
        queue.start(workers=2)
        for key in ("quick", "stuck", "never"):
            queue.add(key)
        await asyncio.sleep(0.5)
        await queue.close(patience=10)
        queue.add("late")
        await asyncio.sleep(200)
        assert done == ["quick"]

    run(work)
