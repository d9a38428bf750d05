"""What the door to the database promises, on every backend."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence

import pytest

from tenantry.model.errors import Code, TenantryError
from tenantry.model.notice import Notice
from tenantry.model.resource import Resource, Verb
from tenantry.storage import changes, lane, resources, tables
from tenantry.storage.db import Database
from tenantry.storage.statement import Statement
from tenantry.storage.unit import Unit
from tests.storage.samples import change, create, tenant
from tests.support.databases import opened

COUNT = Statement(tables.Resource.select(tables.Resource.uid))


def nothing(unit: Unit) -> None:
    del unit


def count(unit: Unit) -> int:
    return len(unit.execute(COUNT).fetchall())


class Gate:
    """Holds a unit in its thread until it is opened."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()

    def hold(self, unit: Unit, then: Callable[[Unit], object] = nothing) -> object:
        """Run as a unit."""
        self.entered.set()
        assert self.open.wait(20)
        return then(unit)

    async def wait_entered(self) -> None:
        """Wait until the unit holds its thread."""
        assert await asyncio.to_thread(self.entered.wait, 20)


async def test_a_unit_that_writes_is_committed_when_run_returns(database: Database) -> None:
    (stored,) = await database.run(create, tenant("acme"), write=True)
    assert stored.seq == 1
    assert await database.run(resources.get, "Tenant", "", "acme") == stored


async def test_an_error_undoes_the_whole_unit_and_no_other(database: Database) -> None:
    def fail(unit: Unit) -> None:
        create(unit, tenant("broken"))
        raise ValueError("no")

    results = await asyncio.gather(
        database.run(create, tenant("one"), write=True),
        database.run(fail, write=True),
        database.run(create, tenant("two"), write=True),
        return_exceptions=True,
    )
    assert isinstance(results[1], ValueError)
    assert await database.run(count) == 2
    assert await database.run(changes.current_seq) == 2


async def test_a_cancelled_awaiter_does_not_stop_the_commit(database: Database) -> None:
    gate = Gate()
    task = asyncio.create_task(database.run(gate.hold, lambda unit: create(unit, tenant("acme")), write=True))
    await gate.wait_entered()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    committed = asyncio.Event()
    database.on_commit(lambda *_: committed.set())
    gate.open.set()
    await asyncio.wait_for(committed.wait(), 10)
    assert await database.run(count) == 1


async def test_a_unit_whose_awaiter_left_before_it_began_does_not_run(database_url: str) -> None:
    async with opened(database_url, threads=1, waiting=8) as database:
        gate = Gate()
        first = asyncio.create_task(database.run(gate.hold, write=True))
        await gate.wait_entered()
        second = asyncio.create_task(database.run(create, tenant("acme"), write=True))
        await asyncio.sleep(0)
        second.cancel()
        gate.open.set()
        await first
        assert await database.run(count) == 0


async def test_the_thread_of_the_event_loop_is_refused(database: Database) -> None:
    leaked: list[Unit] = []

    def leak(unit: Unit) -> None:
        with pytest.raises(RuntimeError, match="only reads"):
            unit.execute(tables.Clock.delete())
        leaked.append(unit)

    await database.run(leak)
    with pytest.raises(RuntimeError, match="this unit has ended"):
        leaked[0].execute(COUNT)
    with pytest.raises(RuntimeError, match="called on the thread MainThread, which owns no connection"):
        leaked[0].database.run("SELECT 1")


async def test_what_waits_is_limited(database_url: str) -> None:
    async with opened(database_url, threads=1, waiting=3) as database:
        gate = Gate()
        held = [asyncio.create_task(database.run(gate.hold, write=True)) for _ in range(4)]
        await gate.wait_entered()
        with pytest.raises(TenantryError) as refused:
            await database.run(count, write=True)
        assert (refused.value.code, refused.value.retry_after) == (Code.UNAVAILABLE, 1)
        gate.open.set()
        await asyncio.gather(*held)
        assert await database.run(count, write=True) == 0


async def test_a_unit_does_not_begin_after_its_deadline(database_url: str) -> None:
    async with opened(database_url, threads=1) as database:
        gate = Gate()
        held = asyncio.create_task(database.run(gate.hold, write=True))
        await gate.wait_entered()
        late = asyncio.create_task(database.run(create, tenant("late"), write=True, timeout=0.0))
        await asyncio.sleep(0)
        gate.open.set()
        await held
        with pytest.raises(TenantryError) as refused:
            await late
        assert (refused.value.code, refused.value.retry_after) == (Code.UNAVAILABLE, 1)
        assert await database.run(count) == 0


@pytest.mark.slow
async def test_a_write_that_takes_too_long_is_given_up_and_still_done(database: Database) -> None:
    gate, committed = Gate(), asyncio.Event()
    database.on_commit(lambda *_: committed.set())
    with pytest.raises(TenantryError, match="did not answer within 1 s, and may still do") as late:
        await database.run(gate.hold, lambda unit: create(unit, tenant("late")), write=True, timeout=1.0)
    assert (late.value.code, late.value.retry_after) == (Code.TIMEOUT, 1)
    gate.open.set()
    await committed.wait()
    assert await database.run(count, write=True) == 1


@pytest.mark.slow
async def test_a_database_that_answers_nobody_is_not_waited_for_long(database: Database) -> None:
    stuck = [Gate(), Gate(), Gate()]
    for gate, seconds in zip(stuck, (2, 1, 2), strict=True):
        with pytest.raises(TenantryError, match=f"did not answer within {seconds} s$") as late:
            await database.run(gate.hold, timeout=2.0)
        assert (late.value.code, late.value.retry_after) == (Code.UNAVAILABLE, 1)
        if gate is stuck[1]:  # it answers another, though two threads are stuck
            assert await database.run(count) == 0
    for gate in stuck:
        gate.open.set()


async def test_a_commit_is_announced_with_its_highest_seq_and_what_it_tells_of(database: Database) -> None:
    seqs: list[int] = []
    names: list[str] = []

    def hear(seq: int, news: Sequence[Notice]) -> None:
        seqs.append(seq)
        names.extend(each.name for each in news)

    database.on_commit(hear)
    await database.run(create, tenant("one"), tenant("two"), write=True)
    assert (seqs, names) == ([2], ["one", "two"])
    await database.run(count)
    await database.run(nothing, write=True)
    assert seqs == [2]


async def test_what_a_unit_has_undone_is_not_announced(database: Database) -> None:
    told: list[tuple[int, list[str]]] = []
    database.on_commit(lambda seq, news: told.append((seq, [each.name for each in news])))

    def fail(unit: Unit) -> None:
        create(unit, tenant("lost"))
        raise ValueError

    one = tenant("kept")
    failed, _ = await asyncio.gather(
        database.run(fail, write=True), database.run(create, one, write=True), return_exceptions=True
    )
    assert isinstance(failed, ValueError)
    assert told == [(await database.run(changes.current_seq), ["kept"])]


async def test_a_slow_unit_is_named_in_the_log_once(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "_named", {})

    def dawdle(unit: Unit) -> None:
        del unit
        time.sleep(0.25)

    with caplog.at_level(logging.DEBUG, logger="tenantry.storage.lane"):
        for _ in range(2):
            await database.run(dawdle)
    assert [record.getMessage().split(" took ")[0] for record in caplog.records] == ["unit test_db.dawdle"]


async def test_a_transaction_cannot_be_nested(database: Database) -> None:
    def nest(unit: Unit) -> None:
        create(unit, tenant("acme"))
        with unit.database.atomic():
            pass

    with pytest.raises(ValueError, match="manual commit"):
        await database.run(nest, write=True)
    assert await database.run(count) == 0


async def test_nothing_runs_between_the_seqs_and_the_commit(database: Database) -> None:
    def linger(unit: Unit) -> None:
        create(unit, tenant("acme"))
        unit.execute(COUNT)

    with pytest.raises(RuntimeError, match="has taken its seqs"):
        await database.run(linger, write=True)
    assert await database.run(changes.current_seq) == 0


async def test_a_change_without_a_seq_is_refused(database: Database) -> None:
    def forget(unit: Unit, item: Resource) -> None:
        resources.insert(unit, item, {})

    item = tenant("acme")
    with pytest.raises(RuntimeError, match=rf"changed \['{item.uid}'\] without changes.commit"):
        await database.run(forget, item, write=True)
    assert await database.run(count) == 0


async def test_a_seq_without_a_change_is_refused(database: Database) -> None:
    def invent(unit: Unit, item: Resource) -> None:
        changes.commit(unit, [change(item, Verb.ADDED)])

    item = tenant("acme")
    with pytest.raises(RuntimeError, match=rf"changed \[\] but published \['{item.uid}'\]"):
        await database.run(invent, item, write=True)
    assert await database.run(changes.current_seq) == 0


async def test_a_unit_may_raise_what_a_future_does_not_take(database: Database) -> None:
    def stop(unit: Unit) -> None:
        del unit
        raise StopIteration

    for write in (False, True):
        with pytest.raises(RuntimeError, match="raised StopIteration"):
            await asyncio.wait_for(database.run(stop, write=write), 10)


async def test_a_migrated_database_is_ready(database: Database) -> None:
    await database.ready()


async def test_a_closed_database_finishes_what_it_has_and_refuses_the_rest(database_url: str) -> None:
    async with opened(database_url) as database:
        running = [asyncio.create_task(database.run(create, tenant(f"t-{n}"), write=True)) for n in range(20)]
        await asyncio.sleep(0)
        await database.close()
        assert len(await asyncio.gather(*running)) == 20
        with pytest.raises(TenantryError, match="being closed"):
            await database.run(count)
    async with opened(database_url) as database:
        assert await database.run(count) == 20
