"""Replicas add up what they admit, so that a limit is one limit in the long run, and what is quiet costs nothing."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tenantry.model.errors import TenantryError
from tenantry.model.identity import Actor
from tenantry.model.rate import Rate
from tenantry.services import rate_exchange
from tenantry.services.rate_exchange import RateExchange
from tenantry.services.rate_limits import RateLimits
from tenantry.settings import Settings
from tenantry.storage import tables
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit
from tests.support.databases import opened


class Clock:
    """One for all replicas, moved by the test."""

    now = 1000.0

    def __call__(self) -> float:
        """It."""
        return self.now


class Replica:
    """The limits of one replica."""

    def __init__(self, database: Database, clock: Clock, **settings: Any) -> None:
        self.limits = RateLimits(Settings(**{"rate_limit": 10, **settings}), shared=True, monotonic=clock)
        self.exchange = RateExchange(database, self.limits)

    def admitted(self, actor: Actor, tries: int) -> int:
        """How many of so many requests pass."""
        passed = 0
        for _ in range(tries):
            try:
                self.limits.admit(actor)
            except TenantryError:
                continue
            passed += 1
        return passed


def rows(unit: Unit) -> list[int]:
    return [spent for (spent,) in unit.execute(tables.RateSpending.select(tables.RateSpending.spent)).fetchall()]


@pytest.mark.slow
@pytest.mark.parametrize("actor", [Actor(name="key:1"), Actor(name="key:2", tenant_id="a", rate=Rate(10, 20))])
async def test_three_together_admit_what_one_would_in_the_long_run(database: Database, actor: Actor) -> None:
    clock = Clock()
    replicas = [Replica(database, clock) for _ in range(3)]
    history = []
    for _ in range(60):
        admitted = 0
        for _ in range(10):
            clock.now += 0.1
            admitted += sum(replica.admitted(actor, 5) for replica in replicas)
        history.append(admitted)
        for replica in replicas:
            await replica.exchange.exchange()
    # every replica gives its burst at first, and does not know of the others for a second
    assert sum(history[:20]) <= 3 * 100 + 20 * 10 * 3
    assert 30 * 10 * 0.8 <= sum(history[30:]) <= 30 * 10 * 1.2, history


async def test_a_client_of_one_replica_gets_all_of_its_rate(database: Database) -> None:
    clock = Clock()
    first, *others = [Replica(database, clock) for _ in range(3)]
    actor = Actor(name="key:1")
    first.admitted(actor, 100)
    for _ in range(20):
        clock.now += 1
        assert first.admitted(actor, 20) == 10
        for replica in (first, *others):
            await replica.exchange.exchange()
    assert sum(await database.run(rows)) == 300


async def test_what_is_quiet_writes_nothing(database: Database) -> None:
    clock = Clock()
    replica = Replica(database, clock, rate_limit=200)
    for _ in range(5):
        clock.now += 1
        assert replica.admitted(Actor(name="key:1"), 19) == 19
        await replica.exchange.exchange()
    assert await database.run(rows) == []
    assert replica.admitted(Actor(name="key:1"), 20) == 20
    await replica.exchange.exchange()
    assert await database.run(rows) == [20]


async def test_many_replicas_begin_at_once(database_url: str) -> None:
    clock, actors = Clock(), [Actor(name=f"key:{number}") for number in range(5)]
    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(opened(database_url)) for _ in range(3)]
        replicas = [Replica(database, clock) for database in databases]
        raced = 0
        for _ in range(10):
            for replica in replicas:
                assert sum(replica.admitted(actor, 1) for actor in actors) == 5
            ends = await asyncio.gather(*(each.exchange.exchange() for each in replicas), return_exceptions=True)
            for end in ends:
                assert end is None or (isinstance(end, TenantryError) and end.raced)
                raced += end is not None
        spent = await databases[0].run(rows)
    assert len(spent) == 5
    assert sum(spent) == 5 * (30 - raced)


async def test_what_is_old_is_forgotten(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    replica = Replica(database, Clock())
    replica.admitted(Actor(name="key:1"), 5)
    await replica.exchange.exchange()
    await replica.exchange.forget_old()
    assert await database.run(rows) == [5]
    monkeypatch.setattr(rate_exchange, "_KEEP_MICROS", -1_000_000)
    await replica.exchange.forget_old()
    assert await database.run(rows) == []
