"""The chain of audit rows: every row gets into it once, whoever seals, and whatever is done to one is found."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tenantry.model import ids
from tenantry.model.audit import AuditEvent, Result
from tenantry.model.audit_chain import Seals
from tenantry.model.errors import Code, TenantryError
from tenantry.services.audit import check as audit_check
from tenantry.services.audit import sealing
from tenantry.services.audit.check import Finding
from tenantry.services.audit.sealing import Sealer
from tenantry.storage import audit, tables
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit
from tests.support.databases import opened
from tests.support.migrated import place_database

SEALS = Seals([b"k" * 32])
ACME = "acme-id"
DAY = 86_400 * 1_000_000


def row(tenant_id: str = ACME, **columns: Any) -> AuditEvent:
    """A row of now."""
    known = {"id": ids.uuid7(), "at": ids.now_micros(), "actor": "key:1", "action": "patch", "tenant_id": tenant_id}
    return AuditEvent(**{**known, **columns})


async def write(database: Database, *rows: AuditEvent) -> None:
    """Commit rows."""
    for start in range(0, len(rows), 50):
        await database.run(audit.append, *rows[start : start + 50], write=True)


async def check(database: Database, seals: Seals = SEALS, **options: Any) -> dict[str, Finding]:
    """What there is to say of each chain."""
    return {each.tenant_id: each async for each in audit_check.check(database, seals, **options)}


async def fault(database: Database, **options: Any) -> str:
    """What is wrong with the chain of acme; nothing is with others."""
    found = await check(database, **options)
    assert {each.fault for owner, each in found.items() if owner != ACME} <= {""}
    return found[ACME].fault


async def test_rows_are_sealed_into_the_chain_of_their_tenant(database: Database) -> None:
    rows = [row(tenant) for tenant in (ACME, "", "beta-id", "") for _ in range(3)]
    rows[3] = row("", message="a\u2028'\"\\\U0001f600", diff='{"changes":[]}', result=Result.DENIED, seq=2**62)
    await write(database, *rows)
    assert {owner: (each.rows, each.unsealed) for owner, each in (await check(database)).items()} == {
        "": (0, 6),
        ACME: (0, 3),
        "beta-id": (0, 3),
    }
    await Sealer(database, SEALS).seal()
    found = await check(database)
    assert {owner: (each.rows, each.unsealed, each.fault) for owner, each in found.items()} == {
        "": (6, 0, ""),
        ACME: (3, 0, ""),
        "beta-id": (3, 0, ""),
    }
    assert (await check(database, tenant_id=ACME)).keys() == {ACME}
    assert found[ACME].head.startswith("3:")


async def test_a_row_that_commits_late_is_sealed_too(database: Database) -> None:
    late = row()
    await write(database, row(), row())
    sealer = Sealer(database, SEALS)
    await sealer.seal()
    await write(database, late)  # its id is below those that are sealed
    await sealer.seal()
    assert (await check(database))[ACME].rows == 3
    assert not await fault(database)


async def test_many_more_rows_than_one_batch_or_page_holds(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "BATCH", 20)
    monkeypatch.setattr(audit_check, "_PAGE", 7)
    await write(database, *(row("" if number % 3 else ACME) for number in range(101)))
    await Sealer(database, SEALS).seal()
    found = await check(database)
    assert (found[""].rows, found[ACME].rows) == (67, 34)
    assert not await fault(database)


def _rows(unit: Unit) -> list[tuple[str, int, str]]:
    event = tables.AuditEvent
    query = event.select(event.id, event.position, event.seal).where(event.tenant_id == ACME).order_by(event.position)
    return list(unit.execute(query).fetchall())


def _set(unit: Unit, identifier: str, **columns: Any) -> None:
    unit.execute(tables.AuditEvent.update(columns).where(tables.AuditEvent.id == identifier))


def _change(**columns: Any) -> Callable[[Unit], None]:
    def tamper(unit: Unit) -> None:
        _set(unit, _rows(unit)[1][0], **columns)

    return tamper


def _delete(*places: int) -> Callable[[Unit], None]:
    def tamper(unit: Unit) -> None:
        for identifier in [_rows(unit)[place][0] for place in places]:
            unit.database.run("DELETE FROM audit_event WHERE id = ?", [identifier])

    return tamper


def _insert(position: int) -> Callable[[Unit], None]:
    def tamper(unit: Unit) -> None:
        forged = row(action="nothing")
        audit.append(unit, forged)
        _set(unit, forged.id, position=position, seal="0" * 64)

    return tamper


def _swap(unit: Unit) -> None:
    _, first, second, *_ = _rows(unit)
    _set(unit, first[0], position=second[1])
    _set(unit, second[0], position=first[1])


def _swap_whole(unit: Unit) -> None:
    _, first, second, *_ = _rows(unit)
    _set(unit, first[0], position=second[1], seal=second[2])
    _set(unit, second[0], position=first[1], seal=first[2])


def _end_earlier(unit: Unit) -> None:
    """Take the last two rows away and say that the chain ended before."""
    _delete(3, 4)(unit)
    last = _rows(unit)[-1]
    unit.execute(
        tables.AuditChain.update(position=last[1], seal=last[2]).where(tables.AuditChain.tenant_id == ACME)
    )  # fmt: skip


def _begin_later(unit: Unit) -> None:
    """Take the first two rows away and say that retention did."""
    second = _rows(unit)[1]
    _delete(0, 1)(unit)
    unit.execute(
        tables.AuditChain.update(removed=second[1], removed_seal=second[2]).where(tables.AuditChain.tenant_id == ACME)
    )  # fmt: skip


def _forget(unit: Unit) -> None:
    unit.database.run("DELETE FROM audit_chain WHERE tenant_id = ?", [ACME])


CHANGED = "position 2 was changed, inserted or moved"
ENDS = "what tells where it begins and ends was changed"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (_change(at=1), CHANGED),
        (_change(actor="key:2"), CHANGED),
        (_change(action="get"), CHANGED),
        (_change(kind="Plan"), CHANGED),
        (_change(namespace="x"), CHANGED),
        (_change(name="x"), CHANGED),
        (_change(result="fine"), CHANGED),
        (_change(seq=7), CHANGED),
        (_change(request_id="x"), CHANGED),
        (_change(ip="192.0.2.1"), CHANGED),
        (_change(message="x"), CHANGED),
        (_change(diff='{"changes":[]}'), CHANGED),
        (_change(id="x"), CHANGED),
        (_change(seal="0" * 64), CHANGED),
        (_change(seal="é"), CHANGED),
        (_change(tenant_id="nobody"), "position 2, after row"),
        (_change(position=0), "position 2, after row"),
        (_change(position=-1), "position -1 was inserted"),
        (_delete(0), "position 1, at its beginning, was deleted"),
        (_delete(2), "position 3, after row"),
        (_delete(3, 4), "the rows from position 4 to 5 at its end were deleted"),
        (_delete(0, 1, 2, 3, 4), "the rows from position 1 to 5 at its end were deleted"),
        (_insert(3), "position 3 was"),
        (_insert(6), "position 6 was changed, inserted or moved"),
        (_swap, CHANGED),
        (_swap_whole, CHANGED),
        (_end_earlier, ENDS),
        (_begin_later, ENDS),
        (_forget, "nothing tells where it begins and ends"),
    ],
)
async def test_whatever_is_done_to_a_row_is_found(
    tmp_path: Path, tamper: Callable[[Unit], None], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_check, "_PAGE", 2)
    await place_database(tmp_path / "tenantry.db")
    async with opened(f"sqlite:///{tmp_path}/tenantry.db") as database:
        await write(database, *(row() for _ in range(5)), row(""))
        sealer = Sealer(database, SEALS)
        await sealer.seal()
        assert not await fault(database)
        await database.run(tamper, write=True)
        found = await check(database)
        assert told in found[ACME].fault
        assert found[""].fault == ""
        # neither what comes later nor the retention covers it up
        await write(database, row())
        await sealer.seal()
        await sealer.tidy(ids.now_micros() + 500 * DAY)
        assert (await check(database))[ACME].fault


async def test_a_row_of_another_key_is_found(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    await write(database, row(), row())
    await Sealer(database, Seals([b"x" * 32])).seal()
    assert "signed with a key that is not there" in await fault(database)
    await write(database, row())
    await Sealer(database, SEALS).seal()
    assert "not as it was sealed, or was with a key that TENANTRY_KEY_FILE does not have, and no row" in caplog.text


async def test_the_log_has_where_the_chains_end_in_as_few_lines_as_it_can(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealer = Sealer(database, SEALS)
    await write(database, row(), row(""), row("other"))
    with caplog.at_level(logging.INFO, logger=sealing.__name__):
        await sealer.seal()
        await sealer.tidy(ids.now_micros())
        heads = [f"{owner or 'platform'}={found.head}" for owner, found in (await check(database)).items()]
        (line,) = caplog.messages
        assert sorted(line.removeprefix("audit chains end at ").split()) == sorted(heads)
        monkeypatch.setattr(sealing, "_HEADS_OF_A_LINE", 2)
        await write(database, row(), row(""), row("other"))
        await sealer.seal()
        await sealer.tidy(ids.now_micros())
    assert len(caplog.messages) == 3


async def test_a_new_key_goes_before_the_old_one(database: Database) -> None:
    await write(database, row(), row())
    await Sealer(database, SEALS).seal()
    both = Seals([b"n" * 32, b"k" * 32])
    await write(database, row())
    await Sealer(database, both).seal()
    assert (await check(database, both))[ACME].fault == ""
    assert (await check(database))[ACME].fault  # the old one alone is not enough


async def test_without_a_key_rows_wait(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    await write(database, row())
    sealer = Sealer(database, Seals([]))
    with caplog.at_level(logging.WARNING):
        running = asyncio.create_task(sealer.run())
        while not caplog.messages:  # noqa: ASYNC110 - a log has no event
            await asyncio.sleep(0.01)
        running.cancel()
    assert caplog.messages[0].startswith("TENANTRY_KEY_FILE is not set: the audit log is not sealed")
    assert (await check(database))[ACME].unsealed == 1


async def test_an_older_state_is_found_by_a_head_that_was_noted(database: Database) -> None:
    await write(database, row(), row())
    sealer = Sealer(database, SEALS)
    await sealer.seal()
    noted = (await check(database))[ACME].head
    assert not await fault(database, heads={ACME: noted})
    await write(database, row())
    await sealer.seal()
    assert not await fault(database, heads={ACME: noted})
    assert "is another than the one" in await fault(database, heads={ACME: f"2:{'0' * 64}"})
    assert "position 9 was noted once" in await fault(database, heads={ACME: f"9:{'0' * 64}"})
    found = await check(database, heads={"gone": noted})
    assert "position 2 was noted once" in found["gone"].fault


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Units of four rows."""
    monkeypatch.setattr(sealing, "BATCH", 4)


@pytest.mark.usefixtures("small_batches")
async def test_what_is_old_is_removed_and_the_rest_is_whole(database: Database) -> None:
    now = ids.now_micros()
    past = now - 40 * DAY
    first = ids.first_uuid7(past)[:-2]
    old = [row(owner, at=past, id=f"{first}{n:02}") for n, owner in enumerate([ACME, ""] * 9)]
    await write(database, *old, row(), row())
    sealer = Sealer(database, SEALS, retention_days=30)
    await sealer.seal()
    await sealer.tidy(now)
    found = await check(database)
    assert {owner: (each.removed, each.rows, each.fault) for owner, each in found.items()} == {
        ACME: (9, 2, ""),
        "": (9, 0, ""),
    }
    await write(database, row())
    await sealer.seal()
    assert (await check(database))[""].head == found[""].head
    assert (await check(database))[ACME].rows == 3
    assert not await fault(database)


async def test_what_is_old_is_removed_without_a_key_as_well(database: Database) -> None:
    now = ids.now_micros()
    await write(database, *(row() for _ in range(5)))
    await Sealer(database, Seals([]), retention_days=30).tidy(now + 29 * DAY)
    assert len(await database.run(audit.page)) == 5
    await Sealer(database, Seals([]), retention_days=30).tidy(now + 31 * DAY)
    assert await database.run(audit.page) == []


async def test_two_who_seal_at_once_make_one_chain(database_url: str) -> None:
    async with opened(database_url) as one, opened(database_url) as two:
        sealers = [Sealer(database, SEALS) for database in (one, two)]
        for _ in range(10):
            await write(one, *(row() for _ in range(5)))
            ends = await asyncio.gather(*(sealer.seal() for sealer in sealers), return_exceptions=True)
            for end in ends:
                assert end is None or (isinstance(end, TenantryError) and end.code in {Code.CONFLICT, Code.UNAVAILABLE})
        await sealers[0].seal()
        assert (await check(two))[ACME].rows == 50
        assert not await fault(two)


@pytest.mark.slow
async def test_one_of_two_has_the_turn_and_the_other_goes_on_when_it_ends(database_url: str) -> None:
    async with opened(database_url) as one, opened(database_url) as two:
        sealers = [Sealer(database, SEALS) for database in (one, two)]
        running = [asyncio.create_task(sealer.run()) for sealer in sealers]
        try:
            await write(one, row())
            await _sealed(one, 1)
            held = [await sealer._turn.is_mine() for sealer in sealers]
            assert sorted(held) == [False, True]
            running[held.index(True)].cancel()
            await write(one, row())
            await _sealed(two, 2)
        finally:
            for each in running:
                each.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        assert not await fault(two)


async def _sealed(database: Database, count: int) -> None:
    async with asyncio.timeout(30):
        while (await check(database))[ACME].rows < count:  # noqa: ASYNC110 - the sealer tells nobody
            await asyncio.sleep(0.02)
