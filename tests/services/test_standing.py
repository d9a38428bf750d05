"""What is known in memory: believed while the feed is read, read again when it has changed."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tenantry.model import ids
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import User
from tenantry.services import standing as module
from tenantry.services.feed import Feed
from tenantry.services.standing import Standing, notice
from tenantry.storage import changes, users
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit
from tests.support.databases import opened

SECONDS = 20


async def a_user(database: Database) -> User:
    user = User(id=ids.uuid7(), email=f"{ids.uuid7()}@example.com", updated_at=1)
    await database.run(users.insert, user, write=True)
    return user


async def rename(database: Database, user: User, name: str) -> int:
    def write(unit: Unit) -> int:
        assert users.update(unit, replace(user, name=name, updated_at=user.updated_at + 1), user)
        changes.announce(unit, notice(user), at=ids.now_micros())
        return unit.seq

    return await database.run(write, write=True)


async def test_every_replica_hears_of_a_change(database_url: str) -> None:
    async with opened(database_url) as here, opened(database_url) as there:
        feed = Feed(there)
        view = Standing(there, feed)
        user = await a_user(here)
        before = await rename(here, user, "Augusta")  # a feed of an empty log looks as if it had begun
        async with asyncio.TaskGroup() as group:
            running = group.create_task(feed.run())
            assert await feed.wait_for(before, SECONDS)
            known = await view.user(user.id)
            assert known
            assert known.name == "Augusta"
            version = view.version
            seq = await rename(here, known, "Ada")
            assert await feed.wait_for(seq, SECONDS)
            assert view.version == version + 1
            found = await view.user(user.id)
            assert found
            assert found.name == "Ada"
            running.cancel()
        await view.close()


async def test_what_this_process_commits_counts_at_once(database: Database) -> None:
    view = Standing(database, Feed(database), monotonic=lambda: 0.0)  # a feed that never reads, and all is fresh
    user = await a_user(database)
    assert await view.user(user.id) == user
    await database.run(users.update, replace(user, name="Nobody"), user, write=True)  # of which no notice is given
    assert await view.user(user.id) == user
    await rename(database, replace(user, name="Nobody"), "Ada")
    found = await view.user(user.id)
    assert found
    assert found.name == "Ada"


class _Slow:
    """A database whose answers come when they are let."""

    def __init__(self, user: User) -> None:
        self.user, self.gate, self.asked = user, asyncio.Event(), 0
        self.away = False

    def on_commit(self, _: object) -> None:
        """It never commits."""

    async def run(self, *_: Any, **__: Any) -> User:
        self.asked += 1
        if self.away:
            raise TenantryError(Code.UNAVAILABLE, "the database is away")
        user = self.user
        await self.gate.wait()
        return user


@pytest.fixture
def slow() -> _Slow:
    return _Slow(User(id="one", email="a@example.com"))


async def test_what_changes_while_it_is_read_is_read_again(slow: _Slow) -> None:
    db: Any = slow
    view = Standing(db, Feed(db))
    asked = [asyncio.create_task(view.user("one")) for _ in range(3)]
    while not slow.asked:  # noqa: ASYNC110 - the read has no event
        await asyncio.sleep(0)
    before, slow.user = slow.user, replace(slow.user, name="Ada")
    view.forget("User", "one")
    later = asyncio.create_task(view.user("one"))  # who asks now is not told what was true
    await asyncio.sleep(0)
    slow.gate.set()
    assert await asyncio.gather(*asked) == [before] * 3
    assert await later == await view.user("one") == slow.user
    assert slow.asked == 2


async def test_what_is_known_is_believed_for_a_minute_while_the_database_is_away(slow: _Slow) -> None:
    clock = 0.0
    db: Any = slow
    view = Standing(db, Feed(db), monotonic=lambda: clock)
    slow.gate.set()
    assert await view.user("one") == slow.user
    slow.away, clock = True, module.STALE_SECONDS - 1
    assert await view.user("one") == slow.user
    clock = module.STALE_SECONDS
    with pytest.raises(TenantryError) as caught:
        await view.user("one")
    assert caught.value.code is Code.UNAVAILABLE


async def test_when_changes_were_skipped_nothing_is_certain(slow: _Slow) -> None:
    db: Any = slow
    view = Standing(db, Feed(db), monotonic=lambda: 0.0)
    slow.gate.set()
    await view.user("one")
    await view.user("one")
    assert slow.asked == 1
    view.fail(TenantryError(Code.EXPIRED, ""))
    await view.user("one")
    assert slow.asked == 2


async def test_there_is_a_bound_to_what_is_kept(slow: _Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SIZE", 2)
    db: Any = slow
    view = Standing(db, Feed(db), monotonic=lambda: 0.0)
    slow.gate.set()
    for name in ("one", "two", "one", "three", "one", "two"):
        await view.user(name)
    assert slow.asked == 4


async def test_a_change_of_what_was_pushed_out_is_news_too(slow: _Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SIZE", 1)
    db: Any = slow
    view = Standing(db, Feed(db), monotonic=lambda: 0.0)
    slow.gate.set()
    await view.user("one")
    before = view.version
    view.forget("User", "two")
    assert view.version == before
    await view.user("two")
    view.forget("User", "one")
    assert view.version == before + 1
