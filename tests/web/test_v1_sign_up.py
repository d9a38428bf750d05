"""Sign-up: who may make a tenant, and that it is whole or not there at all."""

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tenantry.model import ids
from tenantry.model.identity import Membership, User
from tenantry.model.permissions import Role
from tenantry.storage import memberships, resources
from tests.storage.samples import rewrite
from tests.support.application import Answer, Application
from tests.support.databases import opened
from tests.support.people import add_session, add_user, browser, replicas, seen
from tests.support.server import ServerInProcess, running_server

NEW = {"name": "acme", "displayName": "Acme"}


async def come(server: ServerInProcess, user: User, source: str) -> None:
    """Make `user` a member of some tenant, in that way."""
    now = ids.now_micros()
    place = Membership(tenant_id=ids.uuid7(), user_id=user.id, role=Role.VIEWER, source=source, created_at=now)
    await server.services.db.run(memberships.insert, place, write=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "who", "status"),
    [
        ("Open", "anybody", 201),
        ("InviteOnly", "anybody", 403),
        ("InviteOnly", "sign-up", 403),
        ("InviteOnly", "invite", 201),
        ("InviteOnly", "admin", 201),
        ("Closed", "invite", 403),
        ("Closed", "admin", 201),
    ],
)
async def test_the_setting_says_who_may(tmp_path: Path, policy: str, who: str, status: int) -> None:
    async with running_server(tmp_path, sign_up=policy, sign_up_plan="trial") as server, server.session() as session:
        await Application(session, server).plan("trial")
        user = await add_user(server, platform_admin=who == "admin")
        if who in {"invite", "sign-up"}:
            await come(server, user, who)
        async with browser(server, await add_session(server, user)) as api:
            assert (await api.post("/v1/tenants", NEW)).status == status


async def test_its_maker_is_the_owner_of_a_tenant_like_any_other(tmp_path: Path) -> None:
    async with running_server(tmp_path, sign_up="Open", sign_up_plan="trial") as server, server.session() as session:
        v1 = Application(session, server)
        await v1.plan("trial")
        user = await add_user(server)
        async with browser(server, await add_session(server, user)) as api:
            made = await api.post("/v1/tenants", NEW, idempotency_key="k")
            assert (made.status, made.body["spec"]["planRef"]) == (201, {"name": "trial"})
            assert (await api.post("/v1/tenants", NEW, idempotency_key="k")).body == made.body
            tenant = made.body["status"]["tenantID"]
            assert (await api.post("/v1/me/tenant", {"tenant": "acme"})).status == 200
            await seen(server)
            me = (await api.get("/v1/me")).body
            assert (me["tenant"]["id"], me["tenant"]["role"]) == (tenant, "owner")
            assert (await api.get("/v1/tenants/acme")).body == made.body
            assert [item["source"] for item in await api.items("/v1/tenants/acme/members")] == ["sign-up"]
        rows = await v1.items(f"/v1/audit?tenantID={tenant}&actor=user:{user.id}")
        assert {"create", "member.add"} <= {row["action"] for row in rows}


async def test_a_plan_that_another_process_has_changed_keeps_nobody_out(tmp_path: Path) -> None:
    async with (
        running_server(tmp_path, sign_up="Open", sign_up_plan="trial") as server,
        server.session() as session,
        opened(f"sqlite:///{server.data_dir}/tenantry.db") as other,
    ):
        v1 = Application(session, server)
        await v1.plan("trial")
        async with browser(server, await add_session(server, await add_user(server))) as api:
            assert (await api.post("/v1/tenants", NEW)).status == 201
            plan = await other.run(resources.get, "Plan", "", "trial")
            assert plan is not None
            changed = replace(plan, generation=plan.generation + 1, updated_at=plan.updated_at + 1)
            await other.run(rewrite, plan, changed, write=True)
            assert (await api.post("/v1/tenants", NEW | {"name": "globex"})).status == 201


async def test_nobody_gets_a_tenant_without_a_plan(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running_server(tmp_path, sign_up="Open") as server, server.session() as session:
        user = await add_user(server)
        async with browser(server, await add_session(server, user)) as api:
            refused = await api.post("/v1/tenants", NEW, idempotency_key="k")
            assert (refused.status, refused.code) == (503, "unavailable")
            assert (await api.get("/v1/me/tenants")).body["items"] == []
            (said,) = caplog.messages
            assert said == (
                'nobody can make a tenant: there is no Plan "free"; create it, or name another with '
                "TENANTRY_SIGN_UP_PLAN"
            )
            await Application(session, server).plan()
            assert (await api.post("/v1/tenants", NEW, idempotency_key="k")).status == 201


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"name": "Acme"}, "name"),
        ({"name": "kube"}, "name"),
        ({"name": ""}, "name"),
        ({"displayName": ""}, "displayName"),
        ({"displayName": "x" * 1000}, "displayName"),
        ({"plan": "enterprise"}, "plan"),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_is_made(tmp_path: Path, change: dict[str, Any], path: str) -> None:
    async with running_server(tmp_path, sign_up="Open") as server:
        user = await add_user(server)
        async with browser(server, await add_session(server, user)) as api:
            refused = await api.post("/v1/tenants", NEW | change)
            assert refused.status == 422
            assert {error["path"] for error in refused.body["errors"]} == {path}
            assert (await api.get("/v1/me/tenants")).body["items"] == []


async def test_nobody_takes_over_a_deleted_tenant_by_its_name(tmp_path: Path) -> None:
    async with running_server(tmp_path, sign_up="Open") as server, server.session() as session:
        v1 = Application(session, server)
        await v1.plan()
        await v1.tenant("acme")
        await v1.tenant("beta")
        await v1.delete("tenants/acme")
        user = await add_user(server)
        async with browser(server, await add_session(server, user)) as api:
            assert (await api.post("/v1/tenants", NEW)).code == "name_tombstoned"
            assert (await api.post("/v1/tenants", NEW | {"name": "beta"})).code == "already_exists"
            assert (await api.get("/v1/me/tenants")).body["items"] == []


async def test_of_twenty_who_want_a_name_one_gets_it(tmp_path: Path, database_url: str) -> None:
    async with replicas(tmp_path, database_url) as servers:
        async with servers[0].session() as session:
            await Application(session, servers[0]).plan()
        people = [await add_user(servers[0], f"u{number}@example.com", platform_admin=True) for number in range(20)]

        async def go(number: int) -> Answer:
            server = servers[number % len(servers)]
            async with browser(server, await add_session(server, people[number])) as api:
                return await api.post("/v1/tenants", NEW)

        answers = await asyncio.gather(*(go(number) for number in range(20)))
        assert Counter(answer.status for answer in answers) == {201: 1, 409: 19}
        async with servers[0].session() as session:
            assert len(await Application(session, servers[0]).items("/v1/tenants/acme/members")) == 1
