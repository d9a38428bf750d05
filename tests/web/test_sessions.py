"""Browser sessions: whose they are, where the cookie counts, and what ends them."""

import asyncio
import itertools
from dataclasses import replace
from typing import Any

import pytest

from tenantry.model import ids
from tenantry.model.identity import SESSION_IDLE_US, SESSION_LIFE_US, Actor, User, UserStatus
from tenantry.model.notice import Notice
from tenantry.model.permissions import ROLES, SCOPES, Permission, Role
from tenantry.services.standing import notice
from tenantry.storage import changes, memberships, sessions, users
from tenantry.storage.unit import Unit
from tenantry.web import csrf
from tests.support.application import KUBERNETES, Application
from tests.support.people import add_member, add_session, add_user, browser, seen
from tests.support.server import ServerInProcess

SIGNED_IN = {"authenticated", "self"}
KEY = {"name": "ci", "scopes": ["resources:read"]}


async def change(server: ServerInProcess, user: User, **columns: Any) -> None:
    def write(unit: Unit) -> None:
        now = ids.now_micros()
        assert users.update(unit, replace(user, updated_at=now, **columns), user)
        changes.announce(unit, notice(user), at=now)

    await server.services.db.run(write, write=True)
    await seen(server)


async def permissions(api: Application) -> set[str]:
    answer = await api.get("/v1/me")
    assert answer.status == 200, answer.body
    return set(answer.body["permissions"])


@pytest.mark.parametrize("role", Role)
async def test_a_member_may_what_the_role_gives_in_the_active_tenant(v1: Application, role: Role) -> None:
    tenant = (await v1.tenant("acme"))["status"]["tenantID"]
    user = await add_user(v1.server)
    await add_member(v1.server, tenant, user, role)
    async with browser(v1.server, await add_session(v1.server, user, tenant)) as api:
        assert await permissions(api) == {*ROLES[role], *SIGNED_IN}
    async with browser(v1.server, await add_session(v1.server, user)) as api:
        assert await permissions(api) == SIGNED_IN
        assert (await api.get("/v1/tenants")).status == 403


async def test_who_leaves_a_tenant_may_nothing_there_any_more(v1: Application) -> None:
    tenant = (await v1.tenant("acme"))["status"]["tenantID"]
    user = await add_user(v1.server)
    await add_member(v1.server, tenant, user, Role.ADMIN)
    async with browser(v1.server, await add_session(v1.server, user, tenant)) as api:
        assert (await api.get("/v1/tenants/acme")).status == 200

        def leave(unit: Unit) -> None:
            assert memberships.delete(unit, tenant, user.id)
            changes.announce(unit, Notice(kind="Membership", name=f"{tenant}/{user.id}"), at=ids.now_micros())

        await v1.server.services.db.run(leave, write=True)
        await seen(v1.server)
        assert await permissions(api) == SIGNED_IN


async def test_a_platform_administrator_acts_for_the_platform_without_a_tenant(v1: Application) -> None:
    user = await add_user(v1.server, platform_admin=True)
    tenant = (await v1.tenant("acme"))["status"]["tenantID"]
    async with browser(v1.server, await add_session(v1.server, user)) as api:
        assert await permissions(api) == {*SCOPES["platform:admin"], *SIGNED_IN}
    async with browser(v1.server, await add_session(v1.server, user, tenant)) as api:
        assert await permissions(api) == SIGNED_IN  # of which they are no member


async def test_a_session_ends(v1: Application) -> None:
    user, now = await add_user(v1.server), ids.now_micros()
    ended: list[dict[str, Any]] = [
        {"last_seen_at": now - SESSION_IDLE_US},
        {"created_at": now - SESSION_LIFE_US},
        {"revoked_at": now},
    ]
    for times in ended:
        async with browser(v1.server, await add_session(v1.server, user, **times)) as api:
            assert (await api.get("/v1/me")).status == 401, times
    cookie = await add_session(v1.server, user)
    async with browser(v1.server, cookie) as api:
        assert (await api.get("/v1/me")).status == 200

        def end(unit: Unit) -> None:
            session = sessions.get(unit, cookie.split("_")[1])
            assert session
            assert sessions.revoke(unit, session.id, now)
            changes.announce(unit, notice(session), at=now)

        await v1.server.services.db.run(end, write=True)
        await seen(v1.server)
        assert (await api.get("/v1/me")).status == 401


@pytest.mark.parametrize("columns", [{"status": UserStatus.DISABLED}, {"auth_version": 2}])
async def test_all_sessions_of_a_user_end_at_once(v1: Application, columns: dict[str, Any]) -> None:
    user = await add_user(v1.server)
    async with browser(v1.server, await add_session(v1.server, user)) as api:
        assert (await api.get("/v1/me")).status == 200
        await change(v1.server, user, **columns)
        assert (await api.get("/v1/me")).status == 401


async def test_a_session_may_be_newer_than_the_news_of_its_user(v1: Application) -> None:
    user = await add_user(v1.server)
    async with browser(v1.server, await add_session(v1.server, user)) as api:
        assert (await api.get("/v1/me")).status == 200
    changed = replace(user, auth_version=2, updated_at=user.updated_at + 1)
    assert await v1.server.services.db.run(users.update, changed, user, write=True)  # and nobody is told yet
    async with browser(v1.server, await add_session(v1.server, changed)) as api:
        assert (await api.get("/v1/me")).status == 200


async def test_a_session_in_use_lasts_longer(v1: Application) -> None:
    user, now = await add_user(v1.server), ids.now_micros()
    cookie = await add_session(v1.server, user, last_seen_at=now - sessions.USE_INTERVAL_US)
    async with browser(v1.server, cookie) as api:
        assert (await api.get("/v1/me")).status == 200
    await v1.server.services.authenticator.close()
    found = await v1.server.services.db.run(sessions.get, cookie.split("_")[1])
    assert found
    assert found.last_seen_at >= now


async def test_who_only_watches_is_idle(v1: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenantry.services.authentication.CHECK_SECONDS", 0.0)
    user, seen_at = await add_user(v1.server), ids.now_micros() - sessions.USE_INTERVAL_US
    cookie = await add_session(v1.server, user, last_seen_at=seen_at)
    authenticator, checks = v1.server.services.authenticator, asyncio.Event()
    authenticate, count = authenticator.authenticate, itertools.count(1)

    async def check(token: str, address: str, **how: bool) -> Actor:
        if next(count) > 2:
            checks.set()
        return await authenticate(token, address, **how)

    monkeypatch.setattr(authenticator, "authenticate", check)
    waiting = asyncio.create_task(authenticator.lapse(cookie, "127.0.0.1"))
    async with asyncio.timeout(20):
        await checks.wait()
    await authenticator.close()
    found = await v1.server.services.db.run(sessions.get, cookie.split("_")[1])
    assert found
    assert found.last_seen_at == seen_at
    waiting.cancel()
    async with browser(v1.server, cookie) as api:  # and who asks for something is not
        assert (await api.get("/v1/me")).status == 200
    await authenticator.close()
    found = await v1.server.services.db.run(sessions.get, cookie.split("_")[1])
    assert found
    assert found.last_seen_at > seen_at


@pytest.mark.parametrize("path", [f"{KUBERNETES}/tenants", "/apis", "/api", "/openapi/v3"])
async def test_kubernetes_paths_know_no_cookie(v1: Application, path: str) -> None:
    user = await add_user(v1.server, platform_admin=True)
    async with browser(v1.server, await add_session(v1.server, user)) as api:
        assert (await api.get(path)).status in {401, 200}
        assert (await api.get(f"{KUBERNETES}/tenants")).status == 401


async def test_a_session_is_no_bearer_token(v1: Application) -> None:
    cookie = await add_session(v1.server, await add_user(v1.server))
    for space in (" ", "  ", " \t"):
        assert (await v1.get("/v1/me", Authorization=f"Bearer{space}{cookie}")).status == 401


@pytest.mark.slow
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Origin": "{base}", "Sec-Fetch-Site": ""}, 201),
        ({"Origin": "https://mallory.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": ""}, 403),
        ({"X-CSRF-Token": "0" * 64}, 403),
        ({"X-CSRF-Token": "\u00e9"}, 403),
        ({"X-CSRF-Token": ""}, 403),
    ],
)
async def test_another_site_cannot_make_a_browser_write(v1: Application, headers: dict[str, str], status: int) -> None:
    user = await add_user(v1.server, platform_admin=True)
    sent = {name: value.format(base=v1.server.base_url) for name, value in headers.items()}
    async with browser(v1.server, await add_session(v1.server, user)) as api:
        assert (await api.post("/v1/keys", {"name": "ci", "scopes": ["platform:read"]}, **sent)).status == status


@pytest.mark.parametrize(("mode", "reads"), [("ReadOnly", 200), ("Blocked", 403), ("ScaledToZero", 403)])
async def test_who_is_signed_in_sees_a_suspension_and_gets_out_of_it(v1: Application, mode: str, reads: int) -> None:
    tenants = [(await v1.tenant(name))["status"]["tenantID"] for name in ("acme", "beta")]
    user = await add_user(v1.server)
    for tenant in tenants:
        await add_member(v1.server, tenant, user, Role.OWNER)
    await v1.patch(
        "tenants/acme", {"spec": {"state": "Suspended", "suspension": {"mode": mode, "reason": "unpaid"}}}
    )  # fmt: skip
    await seen(v1.server)
    cookie = await add_session(v1.server, user, tenants[0])
    async with browser(v1.server, cookie, token=False) as page:  # a script that knows nothing yet
        me = (await page.get("/v1/me")).body
        assert {name: me["tenant"][name] for name in ("name", "state", "mode", "reason")} == {
            "name": "acme", "state": "Suspended", "mode": mode, "reason": "unpaid",
        }  # fmt: skip
        assert [(each["name"], each["state"]) for each in me["tenants"]] == [("acme", "Suspended"), ("beta", "Active")]
        assert (await page.get("/v1/tenants/acme")).status == reads
        token = {csrf.HEADER: me["csrfToken"]}
        assert (await page.post("/v1/me/tenant", {"tenant": "beta"}, **token)).status == 200
        await seen(v1.server)
        assert (await page.get("/v1/me")).body["tenant"]["name"] == "beta"
        assert (await page.get("/v1/tenants/beta")).status == 200


@pytest.mark.parametrize(("mode", "reads"), [("ReadOnly", 200), ("Blocked", 403), ("ScaledToZero", 403)])
async def test_a_suspension_holds_back_keys_and_sessions_and_can_be_undone(
    v1: Application, mode: str, reads: int
) -> None:
    tenant = (await v1.tenant("acme"))["status"]["tenantID"]
    user = await add_user(v1.server)
    await add_member(v1.server, tenant, user, Role.OWNER)
    cookie = await add_session(v1.server, user, tenant)
    async with browser(v1.server, cookie) as person, v1.as_key("resources:read", "keys:write", tenant_id=tenant) as key:
        for state, read, write in (("Suspended", reads, 403), ("Active", 200, 201)):
            await v1.patch("tenants/acme", {"spec": {"state": state, "suspension": {"mode": mode, "reason": "unpaid"}}})
            await seen(v1.server)
            assert (await key.get("/v1/me")).status == (200 if read == 200 else 403)
            for api in (person, key):
                answer = await api.get("/v1/tenants/acme")
                assert answer.status == read
                assert read == 200 or answer.code == "tenant_suspended"
                made = await api.post("/v1/keys", KEY)
                assert made.status == write
                if write == 403:
                    assert made.code == "tenant_suspended"
                    assert "unpaid" in made.body["detail"]


def test_each_role_holds_all_that_a_lower_one_does() -> None:
    for higher, lower in zip(list(Role), list(Role)[1:], strict=False):
        assert ROLES[higher] > ROLES[lower]
        assert higher.covers(lower)
        assert not lower.covers(higher)
    assert not any(Permission.RESOURCES_WRITE in granted for granted in ROLES.values())


async def test_an_idempotency_key_belongs_to_the_tenant_that_is_active(v1: Application) -> None:
    tenants = [(await v1.tenant(name))["status"]["tenantID"] for name in ("acme", "other")]
    user = await add_user(v1.server)
    for tenant in tenants:
        await add_member(v1.server, tenant, user, Role.ADMIN)
    async with browser(v1.server, await add_session(v1.server, user, tenants[0])) as api:
        made = []
        for name in ("acme", "other"):
            assert (await api.post("/v1/me/tenant", {"tenant": name})).status == 200
            await seen(v1.server)
            body = {"name": "ci", "role": "viewer"}
            made.append((await api.post("/v1/service-accounts", body, idempotency_key="once")).body["id"])
            again = await api.post("/v1/service-accounts", body, idempotency_key="once")
            assert again.body["id"] == made[-1]
        assert made[0] != made[1]
