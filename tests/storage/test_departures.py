"""Objects that their cluster has reported gone."""

from tenantry.storage import departures
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit


async def test_they_are_known_until_they_are_old(database: Database) -> None:
    def depart(unit: Unit) -> None:
        for at in (1, 2, 3):
            departures.add(unit, "east", str(at), at)
        departures.add(unit, "east", "1", 9)

    await database.run(depart, write=True)
    assert await database.run(departures.forget, 3, 1, write=True) == 1
    assert await database.run(departures.forget, 3, 9, write=True) == 1
    assert await database.run(departures.forget, 3, 9, write=True) == 0
    assert [await database.run(departures.knows, "east", uid) for uid in "123"] == [False, False, True]
    assert not await database.run(departures.knows, "west", "3")
