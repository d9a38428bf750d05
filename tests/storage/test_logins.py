"""Sign-ins that are under way, and identities: what works once works once on every database."""

import asyncio
from dataclasses import replace

from tenantry.model import ids
from tenantry.model.providers import Identity, LoginTransaction, Provider, identity_id
from tenantry.storage import identities, logins, providers
from tenantry.storage.db import Database

NOW = ids.now_micros()
LOGIN = LoginTransaction(id="state", browser_sha="a" * 64, provider="idp", created_at=NOW, expires_at=NOW + 1000)
IDENTITY = Identity(
    id=identity_id("https://idp", "Ünicode"), issuer="https://idp", subject="Ünicode", user_id="u1", created_at=NOW
)


async def test_of_twenty_who_come_back_one_gets_in(database: Database) -> None:
    await database.run(logins.insert, LOGIN, write=True)
    tries = [database.run(logins.use, "state", "a" * 64, "idp", NOW + 1, write=True) for _ in range(20)]
    won = [login for login in await asyncio.gather(*tries) if login]
    assert won == [replace(LOGIN, used_at=NOW + 1)]


async def test_a_sign_in_is_of_its_browser_its_provider_and_its_time(database: Database) -> None:
    await database.run(logins.insert, LOGIN, write=True)
    for state, browser, provider, at in (
        ("other", "a" * 64, "idp", NOW),
        ("state", "b" * 64, "idp", NOW),
        ("state", "a" * 64, "IDP", NOW),
        ("state", "a" * 64, "idp", NOW + 1000),
        ("\0é", "", "", NOW),
    ):
        assert await database.run(logins.use, state, browser, provider, at, write=True) is None
    assert await database.run(logins.use, "state", "a" * 64, "idp", NOW + 999, write=True)


async def test_what_has_expired_is_forgotten(database: Database) -> None:
    for number in range(3):
        login = replace(LOGIN, id=str(number), expires_at=NOW + number)
        await database.run(logins.insert, login, write=True)
    assert await database.run(logins.forget_expired, NOW + 1, 1, write=True) == 1
    assert await database.run(logins.forget_expired, NOW + 1, 9, write=True) == 1
    assert await database.run(logins.forget_expired, NOW + 1, 9, write=True) == 0
    assert await database.run(logins.use, "2", "a" * 64, "idp", NOW, write=True)


async def test_an_identity_is_one_users(database: Database) -> None:
    tries = [
        database.run(identities.insert, replace(IDENTITY, user_id=f"u{number}"), write=True) for number in range(10)
    ]
    assert sum(await asyncio.gather(*tries)) == 1
    found = await database.run(identities.get, IDENTITY.id)
    assert found
    await database.run(identities.note_use, IDENTITY.id, "ada@example.com", NOW + 1, write=True)
    used = replace(found, email="ada@example.com", last_used_at=NOW + 1)
    assert await database.run(identities.of_user, found.user_id) == [used]
    assert not await database.run(identities.delete, IDENTITY.id, "another", write=True)
    assert await database.run(identities.delete, IDENTITY.id, found.user_id, write=True)


async def test_of_two_who_change_a_provider_one_does(database: Database) -> None:
    before = Provider(
        name="idp", display_name="ÌdP", issuer="https://idp", client_id="c", email_domains=("a.example",), updated_at=1
    )
    assert await database.run(providers.insert, before, write=True)
    assert not await database.run(providers.insert, before, write=True)
    assert await database.run(providers.get, "idp") == before
    after = replace(before, auto_provision=True, updated_at=2)
    assert await database.run(providers.update, after, before, write=True)
    assert not await database.run(providers.update, replace(after, updated_at=3), before, write=True)
    assert await database.run(providers.all_of_them) == [after]
    assert await database.run(providers.delete, "idp", write=True)
    assert not await database.run(providers.delete, "idp", write=True)
