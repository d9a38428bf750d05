"""The change feed: who joins it gets every change once, and who has missed some is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from tenantry.model.errors import Code, TenantryError
from tenantry.model.resource import Change
from tenantry.services import feed as feed_module
from tenantry.services.feed import Feed
from tenantry.storage import changes
from tenantry.storage.db import Database
from tests.storage.samples import NOW, create, restore, tenant
from tests.support.databases import opened

SECONDS = 20


@dataclass(eq=False)
class Listener:
    """A subscriber that keeps what it gets."""

    seqs: list[int] = field(default_factory=list)
    error: TenantryError | None = None

    def __call__(self, batch: list[Change]) -> None:
        """Take changes."""
        self.seqs += [change.seq for change in batch]

    def fail(self, error: TenantryError) -> None:
        """Take the error."""
        self.error = error

    async def join(self, feed: Feed, after: int) -> None:
        """Read what was missed and subscribe, as a watch does."""
        while not feed.subscribe(self, after):
            batch = await feed.read(after)
            self(batch)
            after = batch[-1].seq


@asynccontextmanager
async def running(database: Database) -> AsyncIterator[Feed]:
    feed = Feed(database)
    task = asyncio.create_task(feed.run())
    assert await feed.wait_for(await database.run(changes.current_seq), SECONDS)
    try:
        yield feed
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def standing(database: Database) -> Feed:
    """A feed that looks at the log only when the test tells it to."""
    feed = Feed(database)
    feed.seq = feed._start = await database.run(changes.current_seq)
    return feed


async def write(database: Database, count: int) -> None:
    for _ in range(count):
        seq = await database.run(changes.current_seq)
        await database.run(create, tenant(f"t-{seq}"), write=True)


async def test_what_another_replica_wrote_is_replayed_or_handed_out_and_never_both(database_url: str) -> None:
    async with opened(database_url) as ours, opened(database_url) as theirs:
        await write(ours, 5)
        feed = await standing(ours)
        await write(theirs, 3)
        early, late = Listener(), Listener()
        await early.join(feed, 0)
        assert early.seqs == [1, 2, 3, 4, 5]
        await feed._catch_up()
        await late.join(feed, 2)
        await write(ours, 1)
        await feed._catch_up()
        assert early.seqs == [1, 2, 3, 4, 5, 6, 7, 8, 9]
        assert late.seqs == early.seqs[2:]


async def test_the_window_gives_up_what_is_beyond_its_size(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "WINDOW_SIZE", 1000)
    async with running(database) as feed:
        await write(database, 20)
        assert await feed.wait_for(20, SECONDS)
        assert 0 < sum(len(change.object) for change in await feed.read(feed._start)) <= 1000
        listener = Listener()
        await listener.join(feed, 0)
    assert listener.seqs == list(range(1, 21))


async def test_a_feed_that_the_log_has_overtaken_tells_its_subscribers_and_goes_on(database: Database) -> None:
    await write(database, 2)
    feed = await standing(database)
    listener, other = Listener(), Listener()
    await listener.join(feed, 0)
    await write(database, 4)
    assert await database.run(changes.compact, NOW + 1, 0, 5, write=True) == 5
    await feed._catch_up()
    assert listener.seqs == [1, 2]
    assert listener.error is not None
    assert (listener.error.code, listener.error.message) == (Code.EXPIRED, "too old resource version: 2 (5)")
    with pytest.raises(TenantryError, match=r"too old resource version: 4 \(5\)"):
        await other.join(feed, 4)
    await other.join(feed, 5)
    assert other.seqs == [6]


async def test_a_feed_whose_whole_log_is_gone_tells_its_subscribers_at_once(database: Database) -> None:
    await write(database, 2)
    feed = await standing(database)
    listener = Listener()
    await listener.join(feed, 0)
    await write(database, 3)
    assert await database.run(changes.compact, NOW + 1, 0, write=True) == 5
    await feed._catch_up()
    assert feed.seq == 5
    assert listener.error is not None
    assert listener.error.message == "too old resource version: 2 (5)"
    late = Listener()
    await late.join(feed, 5)
    await write(database, 1)
    await feed._catch_up()
    assert late.seqs == [6]


async def test_a_feed_goes_on_where_a_restored_database_is(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "PART", 2)
    await write(database, 6)
    feed = await standing(database)
    listener, slow = Listener(), Listener()
    await listener.join(feed, 0)
    slow(await feed.read(2))
    await database.run(restore, 3, write=True)
    await feed._catch_up()
    assert (feed.seq, listener.error) == (6, None)  # a node of a cluster may lag behind another
    monkeypatch.setattr(feed_module, "PATIENCE", 0)
    await feed._catch_up()
    assert feed.seq == 3
    assert listener.error is not None
    assert (listener.error.code, listener.error.message) == (Code.EXPIRED, "too old resource version: 6 (3)")
    with pytest.raises(TenantryError, match="too old resource version: 4"):
        await slow.join(feed, slow.seqs[-1])
    late = Listener()
    await late.join(feed, 3)
    await write(database, 2)
    await feed._catch_up()
    assert late.seqs == [4, 5]


async def test_a_log_that_is_compacted_during_a_replay_ends_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "PART", 2)
    await write(database, 6)
    async with running(database) as feed:
        assert [change.seq for change in await feed.read(0)] == [1, 2]
        await database.run(changes.compact, NOW + 1, 0, 3, write=True)
        with pytest.raises(TenantryError) as expired:
            await feed.read(2)
        assert expired.value.code is Code.EXPIRED
        assert [change.seq for change in await feed.read(3)] == [4, 5]
