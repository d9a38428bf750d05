"""The worker looks when something was written, and otherwise lets the database rest."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tenantry import metrics
from tenantry.model.identity import ApiKey
from tenantry.model.resource import Tombstone
from tenantry.services import worker as worker_module
from tenantry.services.encryption import Encryption
from tenantry.services.feed import Feed
from tenantry.services.outbound import Outbound, Outbounds
from tenantry.services.standing import Standing
from tenantry.services.webhooks.deliveries import Deliveries
from tenantry.services.worker import Worker
from tenantry.storage import changes, keys, leases, tombstones, work
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit
from tests.storage.samples import NOW, create, tenant


@pytest.fixture
async def feed(database: Database) -> AsyncIterator[Feed]:
    """A feed that runs."""
    feed = Feed(database)
    running = asyncio.create_task(feed.run())
    yield feed
    running.cancel()


def depth(unit: Unit) -> int:
    return work.depth(unit, work.STATUS) + work.depth(unit, work.USERS)


async def test_a_worker_looks_only_when_there_is_news(
    database: Database, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    take = work.take

    def note(unit: Unit, kind: str, limit: int) -> list[work.Item]:
        looks.append(kind)
        return take(unit, kind, limit)

    def write(unit: Unit, name: str) -> int:
        item = tenant(name, managed_by="east")
        work.add(unit, work.STATUS, [item.uid], NOW)
        return create(unit, item)[0].seq

    async def count() -> int:
        looks.clear()
        assert await worker._try_work(tidy=False)
        return len(looks)

    monkeypatch.setattr(work, "take", note)
    worker = Worker(
        database,
        feed,
        Deliveries(database, Encryption([]), Outbounds(Outbound(), Outbound())),
    )
    await feed.reach(await database.run(changes.current_seq))
    assert [await count(), await count()] == [2, 0]
    await feed.reach(await database.run(write, "acme", write=True))
    assert await count() == 2
    assert await database.run(depth) == 0
    assert [await count(), await count()] == [2, 0]  # what it did itself may have queued more
    assert await worker._try_work(tidy=True)
    assert len(looks) == 2


async def test_what_waits_is_told_by_the_one_that_sends(database: Database, feed: Feed) -> None:
    taken = await database.run(leases.acquire, worker_module.LEASE, "another", 60.0, write=True)
    assert taken
    metrics.WEBHOOK_PENDING.value, metrics.WEBHOOK_OLDEST.since = 7, 1.0  # from when it was its turn
    worker = Worker(
        database,
        feed,
        Deliveries(database, Encryption([]), Outbounds(Outbound(), Outbound())),
    )
    running = asyncio.create_task(worker.run())
    try:
        async with asyncio.timeout(30):
            while True:
                if (metrics.WEBHOOK_PENDING.value, metrics.WEBHOOK_OLDEST.since) == (0, 0):
                    break
                await asyncio.sleep(0)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_chore_that_fails_keeps_no_other_away(
    database: Database, feed: Feed, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []

    async def fail() -> None:
        raise RuntimeError("no paper")

    async def do() -> None:
        done.append("done")

    deliveries = Deliveries(database, Encryption([]), Outbounds(Outbound(), Outbound()))
    assert await Worker(database, feed, deliveries, (fail, do))._try_work(tidy=True)
    assert done == ["done"]
    assert "a chore failed, and is tried again in 30 s: no paper" in caplog.messages


async def test_tenants_are_purged_one_by_one_and_replicas_told_of_each_once(database: Database, feed: Feed) -> None:
    def bury(unit: Unit, name: str) -> None:
        tombstone = Tombstone(
            slug=name, tenant_id=f"id-{name}", managed_by="", last_doc="{}", deleted_at=NOW, purge_at=NOW
        )
        tombstones.put(unit, tombstone)
        for number in range(3):
            key = ApiKey(
                id=f"{name}-{number}", name="k", secret_sha="0" * 64, scopes=(), owner="", tenant_id=tombstone.tenant_id
            )
            keys.insert(unit, key)

    for name in ("acme", "hooli"):
        await database.run(bury, name, write=True)
    view = Standing(database, feed)
    await feed.reach(await database.run(changes.current_seq))
    assert await view.key("acme-1")
    assert await database.run(worker_module._purge, NOW, write=True) == 1
    assert len(await database.run(tombstones.find_due, NOW, 9)) == 1
    assert await database.run(worker_module._purge, NOW, write=True) == 1
    assert await database.run(worker_module._purge, NOW, write=True) == 0
    told = await database.run(changes.read, 0, 9)
    assert {change.tenant_id for change in told} == {"id-acme", "id-hooli"}
    assert len(told) == 2
    await feed.reach(told[-1].seq)
    assert await view.key("acme-1") is None


async def test_a_tombstone_that_is_taken_back_at_that_moment_is_not_purged(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = ApiKey(id="one", name="k", secret_sha="0" * 64, scopes=(), owner="", tenant_id="id-acme")
    gone = Tombstone(slug="acme", tenant_id="id-acme", managed_by="", last_doc="{}", deleted_at=NOW, purge_at=NOW)
    await database.run(keys.insert, kept, write=True)
    monkeypatch.setattr(tombstones, "find_due", lambda *_: [gone])
    await database.run(worker_module._purge, NOW, write=True)
    assert await database.run(keys.get, "one") == kept
