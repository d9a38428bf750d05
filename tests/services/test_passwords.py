"""Passwords: what is taken, how they are kept, and that nobody waits for a storm of them."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from argon2 import PasswordHasher

from tenantry.model.errors import Code, TenantryError
from tenantry.services.people import passwords
from tenantry.services.people.passwords import Passwords

PASSWORD = "four unrelated old words"


@pytest.fixture
async def hasher() -> AsyncIterator[Passwords]:
    found = Passwords()
    yield found
    found.close()


@pytest.mark.slow
async def test_a_password_is_the_one_that_was_hashed(hasher: Passwords) -> None:
    hashed = await hasher.hash(PASSWORD)
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert hashed != await hasher.hash(PASSWORD)
    assert await hasher.verify(hashed, PASSWORD)
    for wrong in (PASSWORD + " ", PASSWORD.upper(), "", "\0", "\ud800", "x" * 5000):
        assert not await hasher.verify(hashed, wrong)
    for broken in ("", "$argon2id$", "plain"):
        assert not await hasher.verify(broken, "plain")
    assert not hasher.is_outdated(hashed)
    assert hasher.is_outdated(PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(PASSWORD))


@pytest.mark.slow
@pytest.mark.parametrize("password", ["a" * 8, "\u00e4" * 512, "   a    ", "\U0001f600" * 8])
async def test_any_characters_will_do(hasher: Passwords, password: str) -> None:
    assert await hasher.verify(await hasher.hash(password), password)


@pytest.mark.parametrize("password", ["", "a" * 7, "\U0001f600" * 7, "a" * 1025, "\u00e4" * 513, "\ud800" * 8])
async def test_one_that_is_too_short_or_too_long_is_refused(hasher: Passwords, password: str) -> None:
    with pytest.raises(TenantryError) as caught:
        await hasher.hash(password, "new")
    assert caught.value.code is Code.INVALID
    assert [field.path for field in caught.value.fields] == ["new"]


@pytest.mark.parametrize("password", ["password", "PASSWORD", "iloveyou", "1qaz2wsx", "Qwertyuiop"])
async def test_one_that_many_people_take_is_refused(hasher: Passwords, password: str) -> None:
    with pytest.raises(TenantryError, match="too common") as caught:
        await hasher.hash(password, "new")
    assert [field.path for field in caught.value.fields] == ["new"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "password",
    [
        "ada@example.com",
        "Ada.Lovelace",
        "lovelace1843!",
        "adalovelace",
        "Tenantry",
        "tenantry-2026",
        "CONFIG.corp.test",
    ],
)
async def test_one_that_is_made_of_words_about_its_owner_is_refused(password: str) -> None:
    hasher, about = Passwords(("tenantry", "config.corp.test")), ("ada@example.com", "Ada Lovelace")
    with pytest.raises(TenantryError, match="easy to guess") as caught:
        await hasher.hash(password, "new", about=about)
    assert [field.path for field in caught.value.fields] == ["new"]
    for good in (f"{password} and a horse", "12 34 56 78"):
        await hasher.hash(good, about=about)
    assert await hasher.verify(await hasher.rehash(password), password)  # as it was taken before there was the rule
    hasher.close()


async def test_as_much_is_done_for_an_account_that_is_none(hasher: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    verify = PasswordHasher.verify

    def counted(self: PasswordHasher, hashed: str, password: str) -> bool:
        done.append(hashed.rpartition("$")[0].rpartition("$")[0])  # the parameters
        return verify(self, hashed, password)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    hashed = await hasher.hash(PASSWORD)
    for kept, password in ((hashed, PASSWORD), (hashed, "wrong"), ("", PASSWORD), (hashed, "x" * 5000)):
        await hasher.verify(kept, password)
    assert done == ["$argon2id$v=19$m=19456,t=2,p=1"] * 4


@pytest.mark.slow
async def test_a_storm_is_told_to_come_back(hasher: Passwords) -> None:
    hashed = await hasher.hash(PASSWORD)
    tries = [hasher.verify(hashed, PASSWORD) for _ in range(passwords._WAITING + 8)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    refused = [each for each in results if isinstance(each, TenantryError)]
    assert [each for each in results if each is True] == [True] * passwords._WAITING
    assert [(each.code, each.retry_after) for each in refused] == [(Code.UNAVAILABLE, 2)] * 8
    assert await hasher.verify(hashed, PASSWORD)  # the queue is empty again
