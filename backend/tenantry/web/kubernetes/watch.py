"""Watches: the change feed as JSON lines, written to each client's transport as it comes.

Watchers of one :class:`View` share an :class:`Audience`, for which a batch is encoded once; what is left for each
watcher is one write to its socket. The state and what was missed are read in small parts, each when the client has
taken the one before. What waits in memory is bounded, for one client and for all of them together: who stays behind is
cut off and resumes from its last resourceVersion, as the protocol provides for.
"""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar
from weakref import WeakValueDictionary

import orjson
from aiohttp import HttpVersion11, web

from tenantry import metrics
from tenantry.model.errors import Code, TenantryError
from tenantry.model.resource import Change, Resource
from tenantry.services.feed import PART, PART_SIZE, Feed, part
from tenantry.services.resources.transactions import Page
from tenantry.web import authentication, errors
from tenantry.web.kubernetes import views
from tenantry.web.kubernetes.views import View
from tenantry.web.routes import STOPPING

T = TypeVar("T")

#: bytes that may wait for one slow client before it is cut off, and for all of them together
MAX_BEHIND = 4 * 1024 * 1024
MAX_WAITING = 64 * 1024 * 1024
#: bytes beyond which a transport no longer takes more, and an answer cannot end before the client reads
STALLED = 64 * 1024
#: objects that are read first of a state whose objects may be large
FIRST = 4
#: seconds between bookmarks
BOOKMARK = 60.0
#: seconds before its end a watch is sent a last one, so that the next watch begins where this one was
PARTING = 2.0
#: a watch without timeoutSeconds ends after this many seconds, at random, as kube-apiserver's does; none lasts longer
TIMEOUT = (1800.0, 3600.0)
#: seconds before a database is asked again that was too busy
AGAIN = (0.1, 0.5)

#: the namespace and name of an object, by which a list is ordered
Place = tuple[str, str]
_END = ("\U0010ffff", "")


class Backlog:
    """What waits in memory for clients that are slow to read. Beyond its limit, who has waited longest is cut off."""

    def __init__(self) -> None:
        self._waiting: dict[Watcher, int] = {}  # bytes, in the order in which they began to wait
        self._total = 0

    def note(self, watcher: Watcher) -> None:
        """Take note of how much waits for ``watcher`` now."""
        self._set(watcher, watcher.waiting())
        while self._total > MAX_WAITING:
            longest, known = next(iter(self._waiting.items()))
            left = longest.waiting()
            self._set(longest, 0)
            if left < known:  # it has read since, and begins to wait anew
                self._set(longest, left)
            else:
                longest.cut_off()

    def forget(self, watcher: Watcher) -> None:
        """Take note that nothing waits for ``watcher`` any more."""
        self._set(watcher, 0)

    def _set(self, watcher: Watcher, size: int) -> None:
        known = self._waiting.get(watcher, 0)
        self._total += size - known
        if size:
            self._waiting[watcher] = size
        elif known:
            del self._waiting[watcher]


_backlog = Backlog()


class Watcher:
    """One open watch: the socket, and what is written to it."""

    def __init__(self, request: web.Request, response: web.StreamResponse, transport: asyncio.Transport) -> None:
        self._writer = request.writer
        self._chunked = response.chunked
        self._transport = transport
        self.done = asyncio.Event()

    def write(self, lines: bytes) -> None:
        """Write whole lines past aiohttp's payload writer, which would cost as much as all the rest."""
        if self._transport.is_closing():
            self.done.set()
        elif self.waiting() > MAX_BEHIND:
            self.cut_off()
        elif lines:
            self._transport.write(b"%x\r\n%b\r\n" % (len(lines), lines) if self._chunked else lines)
            _backlog.note(self)

    async def drained(self) -> None:
        """Wait until the client takes more.

        Raises:
            ConnectionError: it went away.
        """
        await self._writer.drain()
        _backlog.note(self)

    def waiting(self) -> int:
        """Bytes that the client has not taken yet."""
        return self._transport.get_write_buffer_size()

    def fail(self, error: TenantryError) -> None:
        """Tell the client why the watch ends."""
        self.write(views.line("ERROR", orjson.dumps(errors.status_of(error)).decode()))
        self.done.set()

    def cut_off(self) -> None:
        """End the connection without another word."""
        self._transport.abort()
        self.done.set()

    def close(self) -> None:
        """Cut the client off if it has stopped to read: the end of the answer would wait for it."""
        _backlog.forget(self)
        if not self._transport.is_closing() and self.waiting() > STALLED:
            self.cut_off()


class Audience:
    """The watchers of one view that are where the feed is: what the feed calls with each batch."""

    def __init__(self, feed: Feed, view: View) -> None:
        self._feed = feed
        self._events = metrics.WATCH_EVENTS.labels(view.scope.kind.name)
        self._watchers: set[Watcher] = set()
        self.view = view

    def __call__(self, batch: list[Change]) -> None:
        """Write what the view shows of ``batch`` to every watcher."""
        lines = self.view.show(batch)
        for watcher in tuple(self._watchers):
            self.write(watcher, lines)

    def fail(self, error: TenantryError) -> None:
        """Tell every watcher why there is no more, and let them go."""
        watchers, self._watchers = self._watchers, set()
        for watcher in watchers:
            watcher.fail(error)

    def write(self, watcher: Watcher, lines: bytes) -> None:
        """Write lines to one watcher."""
        self._events.inc(lines.count(b"\n"))
        watcher.write(lines)

    def admit(self, watcher: Watcher, seq: int) -> bool:
        """Let ``watcher``, which was sent everything up to ``seq``, come; False unless the feed is there too."""
        if not self._feed.subscribe(self, seq):
            return False
        self._watchers.add(watcher)
        return True

    def leave(self, watcher: Watcher) -> None:
        """Let ``watcher`` go."""
        self._watchers.discard(watcher)
        if not self._watchers:
            self._feed.unsubscribe(self)


_audiences: WeakValueDictionary[tuple[Feed, View], Audience] = WeakValueDictionary()


def _audience(feed: Feed, view: View) -> Audience:
    found = _audiences.get((feed, view))
    if found is None:
        found = _audiences[feed, view] = Audience(feed, view)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where a watch begins.

    Args:
        after: changes after this seq are sent.
        state: reads at most so many objects beyond a place, as they are by now: they are sent first, as ADDED events.
        mark_initial: a bookmark says that this was the state.
    """

    after: int
    state: Callable[[Place | None, int], Awaitable[Page]] | None = None
    mark_initial: bool = False


async def serve(  # noqa: PLR0913 - all that a watch is made of
    request: web.Request,
    feed: Feed,
    view: View,
    start: Start,
    *,
    bookmarks: bool,
    timeout: float | None,  # noqa: ASYNC109 - the protocol's timeoutSeconds
) -> web.StreamResponse:
    """Answer with a watch, until it times out, the client goes, its credential lapses or the server stops."""
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Cache-Control": "no-cache, private"})
    if request.version >= HttpVersion11:
        response.enable_chunked_encoding()
    await response.prepare(request)
    transport = request.transport
    if transport is None:
        return response
    watcher, audience = Watcher(request, response, transport), _audience(feed, view)
    seconds = min(timeout, TIMEOUT[1]) if timeout is not None else random.uniform(*TIMEOUT)  # noqa: S311
    sending = asyncio.create_task(_send(watcher, audience, feed, start, seconds if bookmarks else None))
    stopping = asyncio.create_task(request.app[STOPPING].wait())
    lapsing = asyncio.create_task(authentication.lapse(request))
    tasks = {sending, stopping, lapsing}
    with metrics.WATCHES.labels(view.scope.kind.name).track_inprogress():
        try:
            await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if lapsing.done():
                watcher.fail(lapsing.result())
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            audience.leave(watcher)
            watcher.close()
    if not sending.cancelled():
        sending.result()
    return response


async def _send(watcher: Watcher, audience: Audience, feed: Feed, start: Start, seconds: float | None) -> None:
    """The state, what has changed since, and then each change as it comes; with bookmarks, it ends in ``seconds``."""
    loop = asyncio.get_running_loop()
    parting = loop.time() + seconds - PARTING if seconds is not None else None
    try:
        await _Beginning(watcher, audience, feed, start).send()
    except TenantryError as error:
        watcher.fail(error)
    if parting is None:
        await watcher.done.wait()
        return
    while not watcher.done.is_set():
        now = loop.time()
        try:
            async with asyncio.timeout_at(parting if now < parting < now + BOOKMARK else now + BOOKMARK):
                await watcher.done.wait()
        except TimeoutError:
            watcher.write(views.bookmark(audience.view.scope.kind, feed.seq))


class _Beginning:
    """What a watcher is sent until it is where the feed is, each part when the client has taken the one before.

    Each part of the state shows its objects as of when it was read, and what was changed then already is left out of
    what the log tells afterwards: so every object is told once as it was, and then each of its changes.
    """

    def __init__(self, watcher: Watcher, audience: Audience, feed: Feed, start: Start) -> None:
        self._watcher, self._audience, self._feed, self._start = watcher, audience, feed, start
        self._seq = start.after
        self._last: list[Place] = []  # of the parts of the state, and the seqs as of which they were read
        self._read_at: list[int] = []

    async def send(self) -> None:
        """Send it, and join the audience."""
        if self._start.state:
            after, limit = None, FIRST
            while after != _END:
                after, limit = await self._send_state(self._start.state, after, limit)
                await self._watcher.drained()
        complete = self._read_at[-1] if self._read_at else self._seq
        await self._feed.wait_for(max(self._seq, complete), timeout=float("inf"))
        while self._seq < complete:
            await self._replay()
        if self._start.mark_initial:
            self._watcher.write(views.bookmark(self._audience.view.scope.kind, self._seq, initial_end=True))
        while not self._audience.admit(self._watcher, self._seq):
            await self._replay()

    async def _send_state(
        self, read: Callable[[Place | None, int], Awaitable[Page]], after: Place | None, limit: int
    ) -> tuple[Place, int]:
        """Send the next part; returns where it ends and how many objects to read then."""
        page = await _insist(lambda: read(after, limit))
        items = part(page.items, _size)
        last = _END if not page.more and len(items) == len(page.items) else (items[-1].namespace, items[-1].name)
        if self._read_at[-1:] == [page.seq]:
            self._last[-1] = last
        else:
            self._last.append(last)
            self._read_at.append(page.seq)
        self._audience.write(self._watcher, self._audience.view.show_state(items))
        return last, max(1, min(PART, PART_SIZE * len(items) // max(sum(map(_size, items)), 1)))

    async def _replay(self) -> None:
        await self._replay_part()
        await self._watcher.drained()

    async def _replay_part(self) -> None:
        batch = await _insist(lambda: self._feed.read(self._seq))
        news = [change for change in batch if not self._is_told(change)]
        self._audience.write(self._watcher, self._audience.view.show(news))
        self._seq = batch[-1].seq

    def _is_told(self, change: Change) -> bool:
        """Whether the part of the state that holds the object shows the change already."""
        index = bisect_left(self._last, (change.namespace, change.name))
        return bool(self._read_at) and change.seq <= self._read_at[index]


def _size(item: Resource) -> int:
    return len(item.meta) + len(item.spec) + len(item.status)


async def _insist(read: Callable[[], Awaitable[T]]) -> T:
    """What ``read`` returns, once the database can be asked."""
    while True:
        try:
            return await read()
        except TenantryError as error:
            if error.code is not Code.UNAVAILABLE:
                raise
        await asyncio.sleep(random.uniform(*AGAIN))  # noqa: S311 - jitter
