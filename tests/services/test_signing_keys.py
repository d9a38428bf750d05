"""The life of the keys that sign tokens, by a clock of the test, on every database and with two replicas."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from tenantry import metrics
from tenantry.model.audit_chain import Seals
from tenantry.model.errors import TenantryError
from tenantry.model.identity import Actor
from tenantry.services.encryption import Encryption
from tenantry.services.feed import Feed
from tenantry.services.oauth.signing_keys import ACTIVE_US, PUBLISH_US, RETIRED_US, SigningKeys
from tenantry.services.standing import Standing
from tenantry.storage import changes, signing_keys
from tenantry.storage.db import Database
from tests.support.databases import opened

SECONDS = 20
KEY, OTHER = b"k" * 32, b"o" * 32
ADMIN = Actor(name="local-admin")
DAY_US = 86_400 * 1_000_000


@dataclass
class Clock:
    """Now, in microseconds."""

    now: int = 1_800_000_000 * 1_000_000

    def __call__(self) -> float:
        """Now, in seconds."""
        return self.now / 1_000_000


@dataclass
class Replica:
    """What one server has of the keys."""

    db: Database
    feed: Feed
    keys: SigningKeys

    async def current(self) -> list[str]:
        """All that are published, once it has heard of everything."""
        assert await self.feed.wait_for(await self.db.run(changes.current_seq), SECONDS)
        return [key.id for key in (await self.keys.ring()).keys]

    async def signer(self, clock: Clock) -> str:
        """The one that signs."""
        await self.current()
        return (await self.keys.ring()).signer(clock.now).id


@asynccontextmanager
async def replica(
    url: str, clock: Clock, alg: str = "RS256", *, encrypted: Sequence[bytes] = (KEY,)
) -> AsyncIterator[Replica]:
    async with opened(url) as db:
        feed = Feed(db)
        standing = Standing(db, feed)
        running = asyncio.create_task(feed.run())
        assert await feed.wait_for(await db.run(changes.current_seq), SECONDS)
        yield Replica(db, feed, SigningKeys(db, standing, Encryption([*encrypted]), Seals([]), alg, now=clock))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await standing.close()


async def test_keys_are_published_used_replaced_and_deleted(database_url: str) -> None:
    clock = Clock()
    async with replica(database_url, clock) as one:
        await one.keys.rotate_when_due()
        assert await one.keys.list() == ()  # nobody has asked for a token yet
        first = await one.signer(clock)
        clock.now += ACTIVE_US - 3 * PUBLISH_US
        await one.keys.rotate_when_due()
        assert await one.current() == [first]
        clock.now += PUBLISH_US
        await one.keys.rotate_when_due()
        await one.keys.rotate_when_due()
        published = await one.current()
        assert published[0] == first
        assert len(published) == 2
        assert await one.signer(clock) == first
        clock.now += 2 * PUBLISH_US
        assert await one.signer(clock) == published[1]
        await one.keys.rotate_when_due()
        assert await one.current() == published  # what the first has signed is still good
        clock.now += RETIRED_US
        await one.keys.rotate_when_due()
        assert await one.current() == published[1:]


async def test_a_server_that_was_away_publishes_a_key_before_it_signs(database_url: str) -> None:
    clock = Clock()
    async with replica(database_url, clock) as one:
        first = await one.signer(clock)
        clock.now += 90 * DAY_US
        await one.keys.rotate_when_due()
        assert len(await one.current()) == 2
        assert await one.signer(clock) == first
        clock.now += PUBLISH_US
        assert await one.signer(clock) != first


async def test_replicas_agree_on_the_first_key(database_url: str) -> None:
    clock = Clock()
    async with AsyncExitStack() as stack:
        replicas = [await stack.enter_async_context(replica(database_url, clock)) for _ in range(2)]
        await asyncio.gather(*(each.keys.ring() for each in replicas for _ in range(10)))
        found = [await each.current() for each in replicas]
        assert found[0] == found[1]
        assert len(found[0]) == 1


async def test_a_key_that_is_dropped_is_gone_everywhere(database_url: str) -> None:
    clock = Clock()
    async with replica(database_url, clock) as one, replica(database_url, clock) as other:
        first = await one.signer(clock)
        assert await other.signer(clock) == first
        upcoming = await one.keys.rotate(ADMIN)
        clock.now += 1
        dropped = await one.keys.drop_active(ADMIN)
        for each in (one, other):
            assert await each.current() == [dropped.id, upcoming.id]
            assert await each.signer(clock) == dropped.id


async def test_a_key_that_cannot_be_read_stops_no_other(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    async with replica(database_url, clock) as one:
        first = await one.signer(clock)
    async with replica(database_url, clock, encrypted=[OTHER, KEY]) as one:
        second = (await one.keys.rotate(ADMIN)).id
        clock.now += PUBLISH_US
        assert await one.signer(clock) == second
    async with replica(database_url, clock) as one:  # back to the old file: what was encrypted meanwhile is lost
        assert await one.current() == [first]
        assert await one.signer(clock) == first
        assert (list(one.keys.unreadable), metrics.SIGNING_KEYS_UNREADABLE.value) == ([second], 1)
        assert f"the signing key {second} cannot be read: the key in TENANTRY_KEY_FILE is not the one" in caplog.text
        clock.now += RETIRED_US
        await one.keys.rotate_when_due()
        await one.keys.rotate_when_due()
        assert len(await one.current()) == 2  # the first goes on until one that can be read takes over
        clock.now += PUBLISH_US
        third = await one.signer(clock)
        assert third not in {first, second}
        clock.now += RETIRED_US
        await one.keys.rotate_when_due()
        assert await one.current() == [third]
        assert ([key.id for key in await one.keys.list()], one.keys.unreadable) == ([third], {})
        assert metrics.SIGNING_KEYS_UNREADABLE.value == 0


async def test_a_server_that_can_read_no_key_makes_none_and_says_why(database_url: str) -> None:
    clock = Clock()
    async with replica(database_url, clock) as one:
        first = await one.signer(clock)
    async with replica(database_url, clock, encrypted=[OTHER]) as other:
        clock.now += ACTIVE_US
        await other.keys.rotate_when_due()
        assert [key.id for key in await other.keys.list()] == [first]
        with pytest.raises(TenantryError, match="TENANTRY_KEY_FILE is not the one that encrypted signing key"):
            await other.keys.ring()


async def test_another_algorithm_comes_with_another_key(database_url: str) -> None:
    clock = Clock()
    async with replica(database_url, clock) as one:
        first = await one.signer(clock)
    async with replica(database_url, clock, "ES256") as other:
        await other.keys.rotate_when_due()
        assert await other.signer(clock) == first
        clock.now += PUBLISH_US
        ring = await other.keys.ring()
        assert [key.alg for key in ring.keys] == ["RS256", "ES256"]
        assert ring.signer(clock.now).alg == "ES256"


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
async def test_neither_the_database_nor_the_key_set_tells_a_private_key(database_url: str, alg: str) -> None:
    async with replica(database_url, Clock(), alg) as one:
        (key,) = (await one.keys.ring()).keys
        private = str(key.key.as_dict(private=True)["d"])
        assert private not in json.dumps(key.public())
        (row,) = await one.db.run(signing_keys.all_keys)
        assert private not in row.private
        assert '"' not in row.private  # it is no JSON
