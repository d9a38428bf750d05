"""Every account, for platform administrators: seen, disabled, enabled, made one of them; one always stays."""

import asyncio
from pathlib import Path

from tests.support.application import Answer, Application
from tests.support.people import add_session, add_user, browser, replicas, seen

USERS = "/v1/users"


async def test_accounts_are_listed_found_and_got(v1: Application) -> None:
    made = [await add_user(v1.server, f"user-{number}@example.com", name="N", password_hash="x") for number in range(3)]
    made.sort(key=lambda user: user.id)  # those of one millisecond are in no order
    found = await v1.items(f"{USERS}?limit=2")
    assert [user["id"] for user in found] == [user.id for user in made]
    assert (await v1.get(f"{USERS}/{made[1].id}")).body == found[1]
    assert await v1.items(f"{USERS}?email={made[1].email.capitalize()}") == [found[1]]
    assert await v1.items(f"{USERS}?email=nobody@example.com") == []
    assert (await v1.get(f"{USERS}/nobody")).code == "not_found"
    assert "password" not in str(found).lower()


async def test_who_is_disabled_is_out_at_once_and_for_good(v1: Application) -> None:
    user = await add_user(v1.server)
    async with browser(v1.server, await add_session(v1.server, user)) as api:
        assert (await api.get("/v1/me")).status == 200
        before = await v1.get(f"{USERS}/{user.id}")
        disabled = await v1.call("PATCH", f"{USERS}/{user.id}", {"state": "Disabled"}, if_match=before.etag)
        assert (disabled.status, disabled.body["state"]) == (200, "Disabled")
        await seen(v1.server)
        assert (await api.get("/v1/me")).status == 401
        stale = await v1.call("PATCH", f"{USERS}/{user.id}", {"state": "Active"}, if_match=before.etag)
        assert stale.code == "precondition_failed"
        assert (await v1.call("PATCH", f"{USERS}/{user.id}", {"state": "Active"})).body["state"] == "Active"
        await seen(v1.server)
        assert (await api.get("/v1/me")).status == 401  # a session of before does not come back
    async with browser(v1.server, await add_session(v1.server, await v1.server.services.users.get(user.id))) as api:
        assert (await api.get("/v1/me")).status == 200
    rows = await v1.items(f"/v1/audit?name={user.id}")
    assert [row["action"] for row in rows] == ["user.update", "user.update"]
    assert "Disabled" in str(rows)


async def test_administrators_make_and_unmake_each_other_but_for_the_last(v1: Application) -> None:
    ada = await add_user(v1.server, "ada@example.com", platform_admin=True)
    bob = await add_user(v1.server, "bob@example.com")
    async with browser(v1.server, await add_session(v1.server, ada)) as api:
        for change in ({"state": "Disabled"}, {"platformAdmin": False}):
            refused = await api.call("PATCH", f"{USERS}/{ada.id}", change)
            assert (refused.status, refused.code) == (409, "last_owner")
        assert (await api.call("PATCH", f"{USERS}/{bob.id}", {"platformAdmin": True})).body["platformAdmin"]
        assert (await api.call("PATCH", f"{USERS}/{bob.id}", {"state": "Disabled"})).status == 200
        refused = await api.call("PATCH", f"{USERS}/{ada.id}", {"platformAdmin": False})
        assert refused.code == "last_owner"  # the other one cannot sign in
        assert (await api.call("PATCH", f"{USERS}/{bob.id}", {"state": "Active"})).status == 200
        assert (await api.call("PATCH", f"{USERS}/{ada.id}", {"platformAdmin": False})).status == 200
        await seen(v1.server)
        assert (await api.get(USERS)).code == "forbidden"


async def test_of_twenty_administrators_who_go_at_once_one_stays(tmp_path: Path, database_url: str) -> None:
    async with replicas(tmp_path, database_url) as servers:
        made = [await add_user(servers[0], f"admin-{number}@example.com", platform_admin=True) for number in range(20)]

        async def go(number: int) -> Answer:
            change = {"state": "Disabled"} if number % 4 < 2 else {"platformAdmin": False}
            server = servers[number % len(servers)]
            async with server.session() as session:
                # the token of each server's own administrator
                return await Application(session, server).call("PATCH", f"{USERS}/{made[number].id}", change)

        answers = await asyncio.gather(*(go(number) for number in range(20)))
        assert sorted(answer.status for answer in answers) == [200] * 19 + [409], [a.body for a in answers]
        async with servers[0].session() as session:
            found = await Application(session, servers[0]).items(USERS)
        assert [user["platformAdmin"] and user["state"] == "Active" for user in found].count(True) == 1
