"""Look-ups by name: asked for in one turn of the event loop, read by one statement."""

import asyncio

import pytest

from tenantry import metrics
from tenantry.model.errors import Code, TenantryError
from tenantry.model.resource import Resource
from tenantry.services.resources.lookup import Lookup
from tenantry.storage.db import Database
from tests.storage import samples


def _reads() -> float:
    """How often resources were read by name."""
    name = "tenantry_db_unit_duration_seconds_count"
    labels = ({"unit": "resources.find", "dialect": dialect} for dialect in ("sqlite", "mysql"))
    return sum(metrics.REGISTRY.get_sample_value(name, each) or 0 for each in labels)


async def _store(database: Database, *names: str) -> list[Resource]:
    return await database.run(samples.create, *map(samples.tenant, names), write=True)


async def test_what_is_asked_in_one_turn_is_read_at_once(database: Database) -> None:
    names = [f"t{number:03}" for number in range(100)]
    stored = await _store(database, *names)
    lookup, before = Lookup(database), _reads()
    asked = [lookup.find("Tenant", "", name) for name in (*names, "none", *names)]
    found = await asyncio.gather(*asked)
    assert found == [*stored, None, *stored]
    assert _reads() - before == 1
    assert await lookup.find("Plan", "", names[0]) is None
    assert await lookup.find("Tenant", "elsewhere", names[0]) is None
    assert _reads() - before == 3


async def test_a_read_that_begins_after_a_write_sees_it(database: Database) -> None:
    lookup = Lookup(database)
    for number in range(20):
        before, written = await asyncio.gather(lookup.find("Tenant", "", f"n{number}"), _store(database, f"n{number}"))
        assert before in (None, *written)
        assert await lookup.find("Tenant", "", f"n{number}") == written[0]


async def test_a_name_that_is_almost_one_finds_nothing(database: Database) -> None:
    await _store(database, "acme")
    lookup = Lookup(database)
    for name in ("acme ", "ACME", "acmé", "acm\udce9", "acm%", "a' OR '1'='1"):
        assert await lookup.find("Tenant", "", name) is None


async def test_who_goes_away_takes_the_answer_from_nobody(database: Database) -> None:
    (stored,) = await _store(database, "acme")
    lookup = Lookup(database)
    first, second = (asyncio.create_task(lookup.find("Tenant", "", "acme")) for _ in range(2))
    await asyncio.sleep(0)  # both have asked
    first.cancel()
    assert await second == stored
    assert first.cancelled()


async def test_everybody_hears_that_the_database_is_away(database: Database) -> None:
    await database.close()
    lookup = Lookup(database)
    answers = await asyncio.gather(*(lookup.find("Tenant", "", name) for name in "abc"), return_exceptions=True)
    assert [answer.code for answer in answers if isinstance(answer, TenantryError)] == [Code.UNAVAILABLE] * 3
    with pytest.raises(TenantryError):
        await lookup.find("Tenant", "", "a")
