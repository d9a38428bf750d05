"""Watches: the change feed as JSON lines, written to each client's transport as it comes.

Watchers that look at the same thing in the same form share one :class:`Encoder`, which encodes a batch once; what is
left for each watcher is one write to its socket. The state and what was missed are sent as fast as the client reads;
one that stays behind later is cut off and resumes from its last resourceVersion, as the protocol provides for.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from weakref import WeakValueDictionary

import orjson
from aiohttp import HttpVersion11, web

from tenantry import metrics
from tenantry.model.errors import TenantryError
from tenantry.model.kinds import Kind
from tenantry.model.resource import API_VERSION, Change, Resource, Verb
from tenantry.model.selectors import EVERYTHING, Selector
from tenantry.services.feed import Feed
from tenantry.services.transactions import Page, is_visible
from tenantry.web import authentication, errors, tables
from tenantry.web.negotiation import Accepted, Form
from tenantry.web.routes import STOPPING

#: bytes that may wait for one slow client before it is cut off
MAX_BEHIND = 4 * 1024 * 1024
#: bytes beyond which a transport no longer takes more, and an answer cannot end before the client reads
STALLED = 64 * 1024
#: seconds between bookmarks
BOOKMARK = 60.0
#: seconds before its end a watch is sent a last one, so that the next watch begins where this one was
PARTING = 2.0
#: a watch without timeoutSeconds ends after this many seconds, at random, as kube-apiserver's does; none lasts longer
TIMEOUT = (1800.0, 3600.0)
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which objects a watcher looks at."""

    kind: Kind
    namespace: str | None = None  # None: all
    labels: Selector = EVERYTHING
    fields: Selector = EVERYTHING
    tenant_id: str = ""  # that the watcher is bound to

    def verb(self, change: Change) -> Verb | None:
        """What the change is to this watcher: leaving a selector is DELETED, entering it is ADDED."""
        if change.kind != self.kind.name or self.namespace not in (None, change.namespace):
            return None
        if not is_visible(self.tenant_id, change):
            return None
        if not self.fields.matches({"metadata.name": change.name, "metadata.namespace": change.namespace}):
            return None
        if not self.labels.requirements:
            return change.verb
        before = change.verb is not Verb.ADDED and self.labels.matches(orjson.loads(change.prev_labels))
        after = change.verb is not Verb.DELETED and self.labels.matches(_labels(change))
        if after:
            return Verb.MODIFIED if before else Verb.ADDED
        return Verb.DELETED if before else None


def _labels(change: Change) -> dict[str, str]:
    labels: dict[str, str] = orjson.loads(change.object)["metadata"].get("labels", {})
    return labels


@dataclass(frozen=True, slots=True)
class View:
    """What a watcher sees of what it looks at."""

    scope: Scope
    form: Form
    include: str  # includeObject of a Table


class Encoder:
    """Encodes changes for all watchers of one view, each batch once."""

    __slots__ = ("__weakref__", "_batch", "_encoded", "view")

    def __init__(self, view: View) -> None:
        self.view = view
        self._batch: list[Change] | None = None
        self._encoded = b""

    def encode(self, batch: list[Change]) -> bytes:
        """The lines of ``batch``; empty when the view sees none of it."""
        if batch is not self._batch:
            lines = []
            for change in batch:
                verb = self.view.scope.verb(change)
                if verb is not None:
                    lines.append(_line(verb, self._show(change)))
            self._batch, self._encoded = batch, b"".join(lines)
        return self._encoded

    def _show(self, change: Change) -> str:
        if self.view.form is Form.OBJECT:
            return change.object
        return tables.show(self.view.scope.kind, orjson.loads(change.object), self.view.form, self.view.include)


_encoders: WeakValueDictionary[View, Encoder] = WeakValueDictionary()


def _encoder(view: View) -> Encoder:
    found = _encoders.get(view)
    if found is None:
        found = _encoders[view] = Encoder(view)
    return found


class Watcher:
    """One open watch: what the feed calls with each batch, and the socket behind it."""

    def __init__(self, response: web.StreamResponse, transport: asyncio.Transport, encoder: Encoder) -> None:
        self._response = response
        self._transport = transport
        self._encoder = encoder
        self._events = metrics.WATCH_EVENTS.labels(encoder.view.scope.kind.name)
        self.done = asyncio.Event()

    def __call__(self, batch: list[Change]) -> None:
        """Write what this watcher sees of ``batch``."""
        if lines := self._encoder.encode(batch):
            self.write(lines)

    def fail(self, error: TenantryError) -> None:
        """Tell the client why the watch ends."""
        self.write(_line("ERROR", orjson.dumps(errors.status_of(error)).decode()))
        self.done.set()

    async def replay(self, batch: Iterable[Change]) -> None:
        """Write what this watcher sees of ``batch`` as fast as the client takes it."""
        for part in _parts(batch):
            if lines := self._encoder.encode(part):
                self._events.inc(lines.count(b"\n"))
                await self._response.write(lines)

    def write(self, lines: bytes) -> None:
        """Write whole lines past aiohttp's payload writer, which would cost as much as all the rest."""
        if self._transport.is_closing():
            self.done.set()
        elif self._transport.get_write_buffer_size() > MAX_BEHIND:
            self._transport.abort()
            self.done.set()
        else:
            self._events.inc(lines.count(b"\n"))
            self._transport.write(b"%x\r\n%b\r\n" % (len(lines), lines) if self._response.chunked else lines)

    def close(self) -> None:
        """Cut the client off if it has stopped to read: the end of the answer would wait for it."""
        if not self._transport.is_closing() and self._transport.get_write_buffer_size() > STALLED:
            self._transport.abort()


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where a watch begins."""

    after: int  # changes after this seq are sent
    initial: Page | None = None  # first the state, as ADDED events
    mark_initial: bool = False  # then a bookmark that says that this was the state


async def serve(  # noqa: PLR0913 - all that a watch is made of
    request: web.Request,
    feed: Feed,
    scope: Scope,
    accepted: Accepted,
    start: Start,
    *,
    include: str,
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
    watcher = Watcher(response, transport, _encoder(View(scope, accepted.form, include)))
    seconds = min(timeout, TIMEOUT[1]) if timeout is not None else random.uniform(*TIMEOUT)  # noqa: S311
    sending = asyncio.create_task(_send(watcher, scope.kind, feed, start, seconds if bookmarks else None))
    stopping = asyncio.create_task(request.app[STOPPING].wait())
    lapsing = asyncio.create_task(authentication.lapse(request))
    tasks = {sending, stopping, lapsing}
    with metrics.WATCHES.labels(scope.kind.name).track_inprogress():
        try:
            await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if lapsing.done():
                watcher.fail(lapsing.result())
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            feed.unsubscribe(watcher)
            watcher.close()
    if not sending.cancelled():
        sending.result()
    return response


async def _send(watcher: Watcher, kind: Kind, feed: Feed, start: Start, seconds: float | None) -> None:
    """The state, what has changed since, and then each change as it comes; with bookmarks, it ends in ``seconds``."""
    loop = asyncio.get_running_loop()
    parting = loop.time() + seconds - PARTING if seconds is not None else None
    try:
        if start.initial:
            await watcher.replay(map(_as_added, start.initial.items))
            if start.mark_initial:
                watcher.write(_bookmark(kind, start.after, initial_end=True))
        seq = start.after
        await feed.wait_for(seq, timeout=float("inf"))
        while not feed.subscribe(watcher, seq):
            batch = await feed.read(seq)
            await watcher.replay(batch)
            seq = batch[-1].seq
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
            watcher.write(_bookmark(kind, feed.seq))


def _parts(changes: Iterable[Change]) -> Iterator[list[Change]]:
    """``changes`` in parts that are small enough to wait in memory for one client."""
    part: list[Change] = []
    size = 0
    for change in changes:
        part.append(change)
        size += len(change.object)
        if size >= STALLED:
            yield part
            part, size = [], 0
    if part:
        yield part


def _as_added(item: Resource) -> Change:
    return Change(
        seq=item.seq,
        kind=item.kind,
        namespace=item.namespace,
        name=item.name,
        uid=item.uid,
        tenant_id=item.tenant_id,
        verb=Verb.ADDED,
        object=item.to_json(),
        prev_labels="{}",
        at=0,
    )


def _bookmark(kind: Kind, seq: int, *, initial_end: bool = False) -> bytes:
    annotations = {"annotations": {INITIAL_EVENTS_END: "true"}} if initial_end else {}
    shown = {
        "kind": kind.name,
        "apiVersion": API_VERSION,
        "metadata": {"resourceVersion": str(seq), **annotations},
    }
    return _line("BOOKMARK", orjson.dumps(shown).decode())


def _line(event: str, shown: str) -> bytes:
    return f'{{"type":"{event}","object":{shown}}}\n'.encode()
