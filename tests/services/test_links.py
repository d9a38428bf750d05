"""What works once works once: twenty at the same moment, over two connections to the database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from functools import partial

import pytest

from tenantry.model import ids
from tenantry.model.errors import TenantryError
from tenantry.model.factors import Factor, hash_recovery_code
from tenantry.model.identity import Actor, User
from tenantry.model.links import LIFETIMES, Purpose
from tenantry.services.machines.local_admin import ACTOR
from tenantry.services.people import factors, links
from tenantry.services.people.accounts import Accounts
from tenantry.services.people.mail import Mail
from tenantry.services.people.passwords import Passwords
from tenantry.services.throttle import Throttle
from tenantry.storage import factors as factor_rows
from tenantry.storage import users
from tenantry.storage.db import Database
from tests.support.databases import opened

PASSWORD = "four unrelated old words"
CALLER = Actor(name="system:anonymous")


class _NoPasswords(Passwords):
    """Hashes nothing, so that all arrive at the database at once."""

    async def hash(
        self, password: str, field: str = "password", *, about: Iterable[str] = (), repeated: str | None = None
    ) -> str:
        del field, about, repeated
        return f"hash of {password}"


@pytest.fixture
async def pair(database_url: str) -> AsyncIterator[list[Database]]:
    """Two servers' databases, which are the same one."""
    async with opened(database_url) as one, opened(database_url) as two:
        yield [one, two]


def accounts_of(database: Database) -> Accounts:
    return Accounts(database, _NoPasswords(), Throttle(database), Mail(None), "http://localhost")


async def winners(attempts: Sequence[Awaitable[object]]) -> int:
    """How many of the attempts succeed; the others must be refused."""
    results = await asyncio.gather(*attempts, return_exceptions=True)
    assert [each for each in results if isinstance(each, BaseException) and not isinstance(each, TenantryError)] == []
    return sum(not isinstance(each, TenantryError) for each in results)


async def add_user(database: Database, email: str = "ada@example.com") -> User:
    now = ids.now_micros()
    user = User(id=ids.uuid7(), email=email, password_hash="x", created_at=now, updated_at=now)
    await database.run(users.insert, user, write=True)
    return user


async def test_a_link_is_used_up_once(pair: list[Database]) -> None:
    token = await pair[0].run(links.make, Purpose.PASSWORD, "somebody", write=True)
    link = await links.find(pair[1], token, Purpose.PASSWORD)
    assert await winners([pair[n % 2].run(links.redeem, link, write=True) for n in range(20)]) == 1


async def test_a_setup_link_makes_one_administrator(pair: list[Database]) -> None:
    accounts = [accounts_of(each) for each in pair]
    token = await accounts[0].setup_link(ACTOR)
    tries = [accounts[n % 2].set_up(CALLER, token, f"user{n}@example.com", "", PASSWORD) for n in range(20)]
    assert await winners(tries) == 1
    found = await pair[0].run(partial(users.page, limit=10))
    assert [user.platform_admin for user in found] == [True]
    with pytest.raises(TenantryError, match="there are users already"):
        await accounts[0].setup_link(ACTOR)


async def test_of_many_setup_links_the_last_one_works(pair: list[Database]) -> None:
    accounts = [accounts_of(each) for each in pair]
    tokens = await asyncio.gather(*(accounts[n % 2].setup_link(ACTOR) for n in range(20)))
    assert await winners([accounts[0].check_setup(token) for token in tokens]) == 1


async def test_a_reset_link_sets_one_password(pair: list[Database]) -> None:
    accounts = [accounts_of(each) for each in pair]
    user = await add_user(pair[0])
    token = await accounts[0].recovery_link(ACTOR, " ADA@example.com ")
    assert await winners([accounts[n % 2].reset_password(CALLER, token, f"{PASSWORD} {n}") for n in range(20)]) == 1
    found = await pair[0].run(users.get, user.id)
    assert found
    assert found.auth_version == user.auth_version + 1


async def test_a_code_signs_in_once(pair: list[Database]) -> None:
    user = await add_user(pair[0])
    factor = Factor(user_id=user.id, secret="x", created_at=1)
    await pair[0].run(factor_rows.put, factor, write=True)
    code = "2222-2222-2222-2222"
    shas = (hash_recovery_code(code),)
    assert await pair[0].run(factor_rows.confirm, factor, 100, shas, 1, write=True)
    for step, text in ((101, ""), (0, code)):
        used = await asyncio.gather(*(pair[n % 2].run(factors.use, user.id, step, text, write=True) for n in range(20)))
        assert sorted(used) == [False] * 19 + [True]
    assert not await pair[0].run(factors.use, user.id, 100, "", write=True)


async def test_a_reset_link_works_for_ten_minutes(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await database.run(links.make, Purpose.PASSWORD, (await add_user(database)).id, write=True)
    now = ids.now_micros()
    for seconds, works in ((590, True), (601, False)):
        monkeypatch.setattr(ids, "now_micros", lambda later=seconds: now + later * 1_000_000)
        assert await winners([links.find(database, token, Purpose.PASSWORD)]) == works


async def test_a_link_ends_by_time_and_is_for_one_purpose(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    user = await add_user(database)
    tokens = {purpose: await database.run(links.make, purpose, user.id, write=True) for purpose in Purpose}
    for purpose, token in tokens.items():
        for other in Purpose:
            assert await winners([links.find(database, token, other)]) == (purpose is other)
    found = await links.find(database, tokens[Purpose.PASSWORD], Purpose.PASSWORD)
    now = ids.now_micros()
    monkeypatch.setattr(ids, "now_micros", lambda: now + LIFETIMES[Purpose.PASSWORD] * 1_000_000)
    for wrong in (tokens[Purpose.PASSWORD], "", "x", tokens[Purpose.PASSWORD][:-1] + "x"):
        with pytest.raises(TenantryError, match="used already, has expired or was never valid"):
            await links.find(database, wrong, Purpose.PASSWORD)
    with pytest.raises(TenantryError, match="has expired"):
        await database.run(links.redeem, found, write=True)
