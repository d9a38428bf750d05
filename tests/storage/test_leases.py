"""Leases: one holder at a time, by the database's clock, with a token that only grows."""

import asyncio

import pytest

from tenantry.model.errors import Code, TenantryError
from tenantry.storage import leases
from tenantry.storage.db import Database
from tests.support.databases import opened

EXPIRED = -1.0  # seconds: a lease that had run out before it began


async def test_one_of_sixteen_gets_it(database_url: str) -> None:
    async with opened(database_url) as one, opened(database_url) as two:
        for _ in range(5):
            got = await asyncio.gather(
                *(
                    database.run(leases.acquire, "worker", f"{name}-{n}", 60.0, write=True)
                    for name, database in (("one", one), ("two", two))
                    for n in range(8)
                )
            )
            held = [lease for lease in got if lease is not None]
            assert len(held) == 1
            assert await two.run(leases.get, "worker") == held[0]
            await one.run(leases.release, held[0], write=True)


async def test_it_is_not_taken_twice_even_by_its_holder(database: Database) -> None:
    lease = await database.run(leases.acquire, "worker", "me", 60.0, write=True)
    assert lease is not None
    assert (lease.name, lease.holder, lease.token) == ("worker", "me", 1)
    assert await database.run(leases.acquire, "worker", "me", 60.0, write=True) is None
    assert await database.run(leases.acquire, "other", "you", 60.0, write=True) is not None


async def test_the_next_holder_has_a_higher_token(database: Database) -> None:
    first = await database.run(leases.acquire, "worker", "me", EXPIRED, write=True)
    second = await database.run(leases.acquire, "worker", "you", 60.0, write=True)
    assert first is not None
    assert second is not None
    assert second.token == first.token + 1
    await database.run(leases.release, first, write=True)  # too late: it takes nothing from the second
    assert await database.run(leases.get, "worker") == second
    with pytest.raises(TenantryError) as lost:
        await database.run(leases.renew, first, 60.0, write=True)
    assert lost.value.code is Code.CONFLICT


async def test_renewing_moves_its_end(database: Database) -> None:
    lease = await database.run(leases.acquire, "worker", "me", 60.0, write=True)
    assert lease is not None
    renewed = await database.run(leases.renew, lease, 600.0, write=True)
    assert renewed.token == lease.token
    assert renewed.expires - lease.expires > 500_000_000
    await database.run(leases.release, renewed, write=True)
    with pytest.raises(TenantryError):
        await database.run(leases.renew, renewed, 60.0, write=True)


async def test_an_expired_lease_is_not_renewed(database: Database) -> None:
    lease = await database.run(leases.acquire, "worker", "me", EXPIRED, write=True)
    assert lease is not None
    with pytest.raises(TenantryError) as lost:
        await database.run(leases.renew, lease, 60.0, write=True)
    assert lost.value.code is Code.CONFLICT
