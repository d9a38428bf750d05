"""The clock and the change log: seq order is commit order, without a gap and without a repetition."""

import asyncio
import itertools
from dataclasses import replace
from functools import partial

import orjson

from tenantry.model.notice import Notice
from tenantry.model.resource import Change, Resource, Verb
from tenantry.storage import changes, resources, tables
from tenantry.storage.db import Database
from tenantry.storage.statement import insert_rows
from tests.storage.samples import NOW, create, remove, rewrite, tenant
from tests.support.databases import opened


async def follow(database: Database, until: int) -> list[Change]:
    """Read the log as a replica does, until it holds ``until`` changes."""
    seen: list[Change] = []
    while len(seen) < until:
        seen += await database.run(changes.read, seen[-1].seq if seen else 0, 50)
    return seen


async def test_a_reader_misses_nothing_while_sixteen_write(database_url: str) -> None:
    units = 320
    numbers = itertools.count()
    per_unit = [1, 1, 1, 2, 3]
    total = sum(per_unit[n % 5] for n in range(units))
    stored: list[Resource] = []

    async def write(database: Database) -> None:
        for number in numbers:
            if number >= units:
                return
            items = [tenant(f"t-{number}-{n}") for n in range(per_unit[number % 5])]
            new = await database.run(create, *items, write=True)
            if number % 4 == 0:
                stored.append(await database.run(rewrite, new[0], replace(new[0], spec="{}"), write=True))
                new = new[1:]
            stored.extend(new)

    total += len([n for n in range(units) if n % 4 == 0])
    async with opened(database_url) as one, opened(database_url) as two, asyncio.timeout(60):
        reader = asyncio.create_task(follow(two, total))
        await asyncio.gather(*(write(database) for database in (one, two) for _ in range(8)))
        log = await reader
        assert [change.seq for change in log] == list(range(1, total + 1))
        newest = {change.uid: change for change in log}
        assert {item.uid: item.seq for item in stored} == {uid: change.seq for uid, change in newest.items()}
        assert all(orjson.loads(item.object)["metadata"]["resourceVersion"] == str(item.seq) for item in log)
        assert await one.run(changes.current_seq) == total


async def test_a_change_tells_the_object_as_of_its_seq(database: Database) -> None:
    (first,) = await database.run(create, tenant("acme", {"ring": "a"}), write=True)
    second = await database.run(
        rewrite, first, replace(first, meta='{"labels":{"ring":"b"}}', generation=2), write=True
    )
    third = await database.run(remove, second, write=True)
    log = await database.run(changes.read, 0, 10)
    assert [(change.seq, change.verb, orjson.loads(change.prev_labels)) for change in log] == [
        (1, Verb.ADDED, {}),
        (2, Verb.MODIFIED, {"ring": "a"}),
        (3, Verb.DELETED, {"ring": "b"}),
    ]
    assert [change.object for change in log] == [item.to_json() for item in (first, second, third)]
    assert third == replace(second, seq=3)
    assert {(change.kind, change.namespace, change.name, change.uid, change.at) for change in log} == {
        ("Tenant", "", "acme", first.uid, NOW)
    }
    assert await database.run(changes.read, 1, 1) == log[1:2]


async def test_no_change_takes_no_seq(database: Database) -> None:
    assert await database.run(changes.commit, [], write=True) == []
    assert await database.run(changes.current_seq) == 0


async def test_more_rows_than_one_statement_takes_are_written_by_several(database: Database) -> None:
    notices = [Notice(kind="User", name=str(number)) for number in range(301)]
    await database.run(partial(changes.announce, at=NOW), *notices, write=True)
    told = await database.run(changes.read, 0, 999)
    assert [(change.seq, change.name) for change in told] == [(n + 1, notice.name) for n, notice in enumerate(notices)]
    widest = max((table._meta for table in tables.ALL), key=lambda meta: len(meta.fields))
    rows = [dict.fromkeys(widest.fields, "") for _ in range(3001)]
    assert max(len(values) for _, values in insert_rows(widest.model, rows)) <= 32766  # of SQLite, as it comes


async def test_compaction_removes_what_is_old(database: Database) -> None:
    for number in range(6):
        await database.run(create, tenant(f"t-{number}"), write=True)
    unlimited = 10**9
    assert await database.run(changes.compact, NOW, unlimited, write=True) == 0
    assert await database.run(changes.compacted_to) == 0
    assert await database.run(changes.compact, NOW + 1, unlimited, 4, write=True) == 4
    assert await database.run(changes.compacted_to) == 4
    assert [change.seq for change in await database.run(changes.read, 0, 10)] == [5, 6]
    assert await database.run(changes.compact, NOW + 1, unlimited, 4, write=True) == 2
    assert await database.run(changes.compact, NOW + 1, unlimited, 4, write=True) == 0
    assert await database.run(changes.read, 0, 10) == []
    assert await database.run(changes.compacted_to) == await database.run(changes.current_seq) == 6


async def test_compaction_removes_what_is_too_much(database: Database) -> None:
    for number in range(6):
        await database.run(create, tenant(f"t-{number}", spec=f'"{"x" * 1000}"'), write=True)
    sizes = [len(change.object) + len(change.prev_labels) for change in await database.run(changes.read, 0, 10)]
    assert await database.run(changes.compact, NOW, sum(sizes[2:]), write=True) == 2
    assert await database.run(changes.compacted_to) == 2
    assert await database.run(changes.compact, NOW, sum(sizes[2:]), write=True) == 0


async def test_a_part_of_the_log_ends_when_it_is_large_enough(database: Database) -> None:
    for number in range(6):
        await database.run(create, tenant(f"t-{number}", spec=f'"{"ü" * 1000}"'), write=True)
    log = await database.run(changes.read, 0, 10)
    assert {change.size for change in log} == {len(log[0].object.encode()) + 2}
    for size, count in ((1, 1), (log[0].size, 1), (log[0].size + 1, 2), (10**6, 6)):
        assert await database.run(changes.read_part, 0, 10, size) == log[:count]
    assert await database.run(changes.read_part, 3, 1, 10**6) == log[3:4]
    assert await database.run(changes.read_part, 6, 10, 10**6) == []


async def test_a_loser_of_a_race_takes_no_seq(database: Database) -> None:
    (first,) = await database.run(create, tenant("acme"), write=True)
    results = await asyncio.gather(
        *(database.run(rewrite, first, replace(first, spec=f'{{"n":{n}}}'), write=True) for n in range(16)),
        return_exceptions=True,
    )
    winners = [result for result in results if isinstance(result, Resource)]
    assert len(winners) == 1
    assert await database.run(changes.current_seq) == winners[0].seq == 2
    assert await database.run(resources.get, "Tenant", "", "acme") == winners[0]
