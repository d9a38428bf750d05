"""Whom the server takes the caller for, and what people decide about themselves."""

from typing import Any

import aiohttp
import pytest

from tenantry.model import ids
from tenantry.model.notice import Notice
from tenantry.model.permissions import ROLES, Role
from tenantry.storage import changes, memberships
from tenantry.storage.unit import Unit
from tests.support.application import Application
from tests.support.people import add_member, add_session, add_user, browser, seen

SUSPENDED = {"spec": {"state": "Suspended", "suspension": {"mode": "Blocked", "reason": "unpaid"}}}


async def two_tenants(v1: Application) -> dict[str, str]:
    return {name: (await v1.tenant(name))["status"]["tenantID"] for name in ("acme", "beta")}


def bearer(api: Application, token: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(api.server.base_url, headers={"Authorization": f"Bearer {token}"})


async def test_a_session_is_told_whole(v1: Application) -> None:
    tenants = await two_tenants(v1)
    user = await add_user(v1.server, "ada@example.com", name="Ada")
    await add_member(v1.server, tenants["acme"], user, Role.ADMIN)
    await add_member(v1.server, tenants["beta"], user, Role.VIEWER)
    await v1.patch("tenants/beta", SUSPENDED)
    await seen(v1.server)
    cookie = await add_session(v1.server, user, tenants["acme"])
    async with browser(v1.server, cookie) as api:
        me = (await api.get("/v1/me")).body
    acme = {"id": tenants["acme"], "name": "acme", "role": "admin", "state": "Active", "mode": None, "reason": None}
    beta = {"id": tenants["beta"], "name": "beta", "role": "viewer", "state": "Suspended"}
    assert me["name"] == f"user:{user.id}"
    assert me["user"] == {"id": user.id, "email": "ada@example.com", "emailVerified": True, "name": "Ada"}
    assert me["tenant"] == acme
    assert me["tenants"] == [acme, {**beta, "mode": "Blocked", "reason": "unpaid"}]
    assert set(me["permissions"]) == {*ROLES[Role.ADMIN], "authenticated", "self"}
    assert (me["scopes"], me["cluster"], me["platformAdmin"]) == (None, None, False)
    assert (me["signedIn"]["credential"], me["signedIn"]["methods"]) == ("Session", ["pwd"])
    assert me["signedIn"]["at"] < me["signedIn"]["endsAt"]
    async with browser(v1.server, cookie, token=False) as api:
        renamed = await api.call("PATCH", "/v1/me", {"name": "Ada L."}, X_CSRF_Token=me["csrfToken"])
        assert (renamed.status, renamed.body["name"]) == (200, "Ada L.")
        assert (await api.get("/v1/me")).body["user"]["name"] == "Ada L."


async def test_what_does_not_apply_is_null(v1: Application) -> None:
    me = (await v1.get("/v1/me")).body
    assert {name for name, value in me.items() if value is None} == {
        "user", "tenant", "tenants", "cluster", "csrfToken", "platformAdmin",
    }  # fmt: skip
    assert me["signedIn"]["credential"] == "ApiKey"


async def test_a_session_goes_from_tenant_to_tenant_also_out_of_a_suspended_one(v1: Application) -> None:
    tenants = await two_tenants(v1)
    await v1.tenant("gamma")
    user = await add_user(v1.server)
    for tenant in tenants.values():
        await add_member(v1.server, tenant, user, Role.OWNER)
    await v1.patch("tenants/acme", SUSPENDED)
    await seen(v1.server)
    async with browser(v1.server, await add_session(v1.server, user, tenants["acme"])) as api:
        assert (await api.get("/v1/me")).body["tenant"]["state"] == "Suspended"
        assert [item["name"] for item in (await api.get("/v1/me/tenants")).body["items"]] == ["acme", "beta"]
        chosen = await api.post("/v1/me/tenant", {"tenant": "beta"})
        assert (chosen.status, chosen.body["tenant"]["name"]) == (200, "beta")
        await seen(v1.server)
        assert (await api.get("/v1/me")).body["tenant"]["id"] == tenants["beta"]
        assert (await api.get("/v1/tenants/beta")).status == 200
        for unseen in ("gamma", "nothing"):  # there, and not there
            refused = await api.post("/v1/me/tenant", {"tenant": unseen})
            assert (refused.status, refused.code) == (404, "not_found")
        assert (await api.post("/v1/me/tenant", {"tenant": ""})).body == {"tenant": None}
        await seen(v1.server)
        me = (await api.get("/v1/me")).body
        assert (me["tenant"], me["permissions"]) == (None, ["authenticated", "self"])
    assert "session.switch" in {row["action"] for row in await v1.items(f"/v1/audit?actor=user:{user.id}")}


@pytest.mark.parametrize("body", [{"name": "a\nb"}, {"name": "a\0b"}, {"name": "x" * 201}, {"email": "b@example.com"}])
async def test_a_wrong_profile_is_refused(v1: Application, body: dict[str, Any]) -> None:
    async with browser(v1.server, await add_session(v1.server, await add_user(v1.server))) as api:
        assert (await api.call("PATCH", "/v1/me", body)).status == 422


async def test_a_personal_key_acts_with_the_role_of_now(v1: Application) -> None:
    tenants = await two_tenants(v1)
    user = await add_user(v1.server, "ada@example.com")
    await add_member(v1.server, tenants["acme"], user, Role.ADMIN)
    wanted = {"name": "laptop", "scopes": ["resources:read", "members:write"]}
    async with browser(v1.server, await add_session(v1.server, user, tenants["acme"])) as api:
        assert (await api.post("/v1/me/keys", {**wanted, "scopes": ["owners:write"]})).code == "forbidden"
        made = await api.post("/v1/me/keys", wanted)
        assert made.status == 201
        assert made.headers["Location"] == f"/v1/me/keys/{made.body['key']['id']}"
        assert made.body["key"]["actsAs"] == f"user:{user.id}"
        assert await api.items("/v1/me/keys") == [made.body["key"]]
        assert (await api.get(made.headers["Location"])).body == made.body["key"]
    async with bearer(v1, made.body["token"]) as session:
        key = Application(session, v1.server)
        me = (await key.get("/v1/me")).body
        assert me["user"]["id"] == user.id
        assert (me["tenant"]["name"], me["tenant"]["role"]) == ("acme", "admin")
        assert (me["tenants"], me["platformAdmin"]) == (
            None,
            None,
        )  # what else the person has is not the key's business
        assert me["permissions"] == ["authenticated", "members:write", "resources:read"]
        for path in ("/v1/me/tenants", "/v1/me/keys"):  # a key is not the person
            assert (await key.get(path)).code == "forbidden"
        done = await v1.call("PATCH", f"/v1/tenants/acme/members/{user.id}", {"role": "viewer"})
        assert done.status == 200
        await seen(v1.server)
        assert (await key.get("/v1/me")).body["permissions"] == ["authenticated", "resources:read"]
        assert (await key.get("/v1/tenants/beta")).code == "not_found"


async def test_a_personal_key_is_nobody_elses(v1: Application) -> None:
    acme = (await two_tenants(v1))["acme"]
    ada, bob = await add_user(v1.server, "ada@example.com"), await add_user(v1.server, "bob@example.com")
    for user in (ada, bob):
        await add_member(v1.server, acme, user, Role.DEVELOPER)
    async with (
        browser(v1.server, await add_session(v1.server, ada, acme)) as of_ada,
        browser(v1.server, await add_session(v1.server, bob, acme)) as of_bob,
    ):
        made = (await of_ada.post("/v1/me/keys", {"name": "k", "scopes": ["resources:read"]})).body["key"]
        path = f"/v1/me/keys/{made['id']}"
        assert await of_bob.items("/v1/me/keys") == []
        assert (await of_bob.get(path)).code == "not_found"
        assert (await of_bob.post(f"{path}:revoke")).code == "not_found"
        assert (await of_ada.post(f"{path}:revoke")).body["state"] == "Revoked"


@pytest.mark.parametrize("end", ["membership", "user"])
async def test_a_personal_key_ends_with_what_it_rests_on(v1: Application, end: str) -> None:
    acme = (await two_tenants(v1))["acme"]
    user = await add_user(v1.server)
    await add_member(v1.server, acme, user, Role.DEVELOPER)
    async with browser(v1.server, await add_session(v1.server, user, acme)) as api:
        token = (await api.post("/v1/me/keys", {"name": "k", "scopes": ["resources:read"]})).body["token"]
    async with bearer(v1, token) as session:
        key = Application(session, v1.server)
        assert (await key.get("/v1/tenants/acme")).status == 200
        if end == "user":
            done = await v1.call("PATCH", f"/v1/users/{user.id}", {"state": "Disabled"})
        else:
            done = await v1.call("DELETE", f"/v1/tenants/acme/members/{user.id}")
        assert done.status == 200
        await seen(v1.server)
        assert (await key.get("/v1/me")).status == 401
        if end == "membership":  # who comes back does not bring the keys of before
            await add_member(v1.server, acme, user, Role.DEVELOPER)
            await seen(v1.server)
            assert (await key.get("/v1/me")).status == 401


async def test_a_membership_that_is_just_gone_leaves_a_key_nothing(v1: Application) -> None:
    acme = (await two_tenants(v1))["acme"]
    user = await add_user(v1.server)
    await add_member(v1.server, acme, user, Role.DEVELOPER)
    async with browser(v1.server, await add_session(v1.server, user, acme)) as api:
        token = (await api.post("/v1/me/keys", {"name": "k", "scopes": ["resources:read"]})).body["token"]

    def vanish(unit: Unit) -> None:
        memberships.delete(unit, acme, user.id)
        changes.announce(unit, Notice(kind="Membership", name=f"{acme}/{user.id}"), at=ids.now_micros())

    await v1.server.services.db.run(vanish, write=True)
    await seen(v1.server)
    async with bearer(v1, token) as session:
        assert (await Application(session, v1.server).get("/v1/me")).status == 401


async def test_a_platform_administrators_own_key_acts_for_the_platform(v1: Application) -> None:
    await two_tenants(v1)
    user = await add_user(v1.server, platform_admin=True)
    await add_user(v1.server, "root@example.com", platform_admin=True)
    async with browser(v1.server, await add_session(v1.server, user)) as api:
        token = (await api.post("/v1/me/keys", {"name": "k", "scopes": ["platform:admin"]})).body["token"]
    async with bearer(v1, token) as session:
        key = Application(session, v1.server)
        assert len(await key.items("/v1/tenants")) == 2
        assert (await v1.call("PATCH", f"/v1/users/{user.id}", {"platformAdmin": False})).status == 200
        await seen(v1.server)
        assert (await key.get("/v1/tenants")).code == "forbidden"
        assert (await v1.call("PATCH", f"/v1/users/{user.id}", {"state": "Disabled"})).status == 200
        await seen(v1.server)
        assert (await key.get("/v1/me")).status == 401
