"""Members: who sees them, who changes them, what they lose with their place, and the owner who must stay."""

import asyncio
from functools import partial

import pytest

from tenantry.model import ids
from tenantry.model.oauth import Consent, TokenFamily
from tenantry.model.permissions import ROLES, Role
from tenantry.services import worker
from tenantry.storage import (
    clients,
    consents,
    deliveries,
    families,
    invites,
    keys,
    memberships,
    revocations,
    service_accounts,
    sessions,
    tables,
    webhooks,
)
from tests.support.application import Application
from tests.support.people import add_member, add_session, add_user, browser, seen

MEMBERS = "/v1/tenants/acme/members"


@pytest.fixture
def often_tidied(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has had its time goes at once."""
    monkeypatch.setattr(worker, "HOUSEKEEPING", 0.1)


async def member(v1: Application, tenant_id: str, role: Role, email: str = "") -> tuple[str, str]:
    """The id of a new member and the cookie of their session there."""
    user = await add_user(v1.server, email or f"{role}@example.com")
    await add_member(v1.server, tenant_id, user, role)
    return user.id, await add_session(v1.server, user, tenant_id)


async def test_members_are_listed_and_got(v1: Application) -> None:
    acme, beta = [(await v1.tenant(name))["status"]["tenantID"] for name in ("acme", "beta")]
    made = [await member(v1, acme, role) for role in Role]
    other, _ = await member(v1, beta, Role.OWNER, "other@example.com")
    async with browser(v1.server, made[3][1]) as viewer:
        found = await viewer.items(f"{MEMBERS}?limit=3")
        assert [item["user"]["id"] for item in found] == sorted(user for user, _ in made)
        assert {item["user"]["email"]: item["role"] for item in found} == {f"{r}@example.com": r for r in Role}
        one = await viewer.get(f"{MEMBERS}/{made[0][0]}")
        assert one.body in found
        for path in (f"{MEMBERS}/{other}", f"{MEMBERS}/nobody", "/v1/tenants/beta/members"):
            assert (await viewer.get(path)).code == "not_found"
    assert len(await v1.items(MEMBERS)) == 4  # for the platform


@pytest.mark.parametrize(
    ("caller", "target", "role", "status"),
    [
        (Role.OWNER, Role.ADMIN, "owner", 200),
        (Role.OWNER, Role.VIEWER, "admin", 200),
        (Role.ADMIN, Role.VIEWER, "admin", 200),
        (Role.ADMIN, Role.VIEWER, "owner", 403),
        (Role.ADMIN, Role.OWNER, "viewer", 403),
        (Role.ADMIN, Role.OWNER, None, 403),
        (Role.ADMIN, Role.ADMIN, None, 200),
        (Role.DEVELOPER, Role.VIEWER, "viewer", 403),
        (Role.DEVELOPER, Role.VIEWER, None, 403),
        (Role.VIEWER, Role.DEVELOPER, None, 403),
    ],
)
async def test_nobody_gives_or_takes_more_than_they_hold(
    v1: Application, caller: Role, target: Role, role: str | None, status: int
) -> None:
    acme = (await v1.tenant("acme"))["status"]["tenantID"]
    await member(v1, acme, Role.OWNER, "first@example.com")
    _, cookie = await member(v1, acme, caller, "caller@example.com")
    user, _ = await member(v1, acme, target, "target@example.com")
    path = f"{MEMBERS}/{user}"
    async with browser(v1.server, cookie) as api:
        done = await (api.call("PATCH", path, {"role": role}) if role else api.call("DELETE", path))
        assert done.status == status, done.body
        if status == 403 and caller is Role.ADMIN:
            refused = "you cannot give or take the role owner: it is above yours, which is admin"
            assert done.body["detail"] == refused
    found = await v1.server.services.db.run(memberships.get, acme, user)
    if status == 403:
        assert found
        assert found.role is target
    else:
        assert (found.role if found else None) == role
        action = "member.update" if role else "member.remove"
        rows = await v1.items(f"/v1/audit?name={user}&action={action}")
        assert [row["tenantID"] for row in rows] == [acme]


async def test_a_key_with_the_scope_makes_no_owners(v1: Application) -> None:
    acme = (await v1.tenant("acme"))["status"]["tenantID"]
    user, _ = await member(v1, acme, Role.VIEWER)
    scopes = {"members:write", *map(str, ROLES[Role.DEVELOPER])}
    for missing in sorted(scopes):  # whoever may give more than they have would have it in the end
        async with v1.as_key(*scopes - {missing}, tenant_id=acme) as key:
            assert (await key.call("PATCH", f"{MEMBERS}/{user}", {"role": "developer"})).code == "forbidden"
    async with v1.as_key(*scopes, tenant_id=acme) as key:
        assert (await key.call("PATCH", f"{MEMBERS}/{user}", {"role": "owner"})).code == "forbidden"
        assert (await key.call("PATCH", f"{MEMBERS}/{user}", {"role": "developer"})).status == 200


async def test_a_member_is_changed_as_it_was_seen(v1: Application) -> None:
    acme = (await v1.tenant("acme"))["status"]["tenantID"]
    user, _ = await member(v1, acme, Role.VIEWER)
    path = f"{MEMBERS}/{user}"
    before = (await v1.get(path)).etag
    after = await v1.call("PATCH", path, {"role": "admin"}, if_match=before)
    assert after.status == 200
    assert (await v1.get(path)).etag == after.etag != before
    for method, body in (("PATCH", {"role": "viewer"}), ("DELETE", None)):
        assert (await v1.call(method, path, body, if_match=before)).code == "precondition_failed"
    assert (await v1.call("PATCH", path, {"role": "king"})).status == 422


async def test_who_is_removed_loses_sessions_there_and_no_others(v1: Application) -> None:
    acme, beta = [(await v1.tenant(name))["status"]["tenantID"] for name in ("acme", "beta")]
    user = await add_user(v1.server)
    for tenant in (acme, beta):
        await add_member(v1.server, tenant, user, Role.DEVELOPER)
    cookies = [await add_session(v1.server, user, tenant) for tenant in (acme, acme, beta)]
    assert (await v1.call("DELETE", f"{MEMBERS}/{user.id}")).status == 200
    await seen(v1.server)
    for cookie, status in zip(cookies, (401, 401, 200), strict=True):
        async with browser(v1.server, cookie) as api:
            assert (await api.get("/v1/me")).status == status


async def test_who_is_removed_loses_what_clients_were_granted_there(v1: Application) -> None:
    acme, beta = [(await v1.tenant(name))["status"]["tenantID"] for name in ("acme", "beta")]
    user = await add_user(v1.server)
    now, run = ids.now_micros(), v1.server.services.db.run
    granted = {}
    for tenant in (acme, beta):
        await add_member(v1.server, tenant, user, Role.DEVELOPER)
        granted[tenant] = TokenFamily(
            id=ids.uuid7(),
            client_id="cli",
            user_id=user.id,
            session_id="",
            tenant_id=tenant,
            scopes=("resources:read",),
            amr=("pwd",),
            auth_time=now,
            auth_version=1,
            created_at=now,
            expires_at=now + 3_600_000_000,
        )
        await run(families.insert, granted[tenant], write=True)
    assert (await v1.call("DELETE", f"{MEMBERS}/{user.id}")).status == 200
    assert await run(families.of_user, user.id) == [granted[beta]]
    assert await run(revocations.get, granted[acme].id)  # what its access tokens are compared with
    assert await run(revocations.get, granted[beta].id) is None


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OWNER])
async def test_one_leaves_by_oneself_and_stays_signed_in(v1: Application, role: Role) -> None:
    acme = (await v1.tenant("acme"))["status"]["tenantID"]
    await member(v1, acme, Role.OWNER, "first@example.com")
    user, cookie = await member(v1, acme, role)
    async with browser(v1.server, cookie) as api:
        left = await api.call("DELETE", "/v1/me/tenants/acme")
        assert (left.status, left.body["items"]) == (200, [])
        await seen(v1.server)
        assert (await api.get("/v1/me")).body["tenant"] is None
        assert (await api.call("DELETE", "/v1/me/tenants/acme")).code == "not_found"
    found = await v1.server.services.db.run(sessions.of_user, user)
    assert [session.tenant_id for session in found] == [""]
    assert [row["actor"] for row in await v1.items("/v1/audit?action=member.leave")] == [f"user:{user}"]


@pytest.mark.slow
@pytest.mark.parametrize("end", ["undelete", "release", "purge"])
@pytest.mark.usefixtures("often_tidied")
async def test_who_belonged_to_a_tenant_comes_back_with_it_or_is_forgotten(v1: Application, end: str) -> None:
    acme = (await v1.tenant("acme", purgeAfter="1s" if end == "purge" else "1h"))["status"]["tenantID"]
    user, _ = await member(v1, acme, Role.OWNER)
    await v1.post("/v1/tenants/acme/invites", {"email": "bob@example.com", "role": "viewer"})
    account = await v1.post("/v1/tenants/acme/service-accounts", {"name": "ci", "role": "viewer"})
    robot = {"name": "Robot", "grantTypes": ["client_credentials"], "scopes": ["resources:read"]}
    client = (await v1.post("/v1/tenants/acme/clients", robot)).body["client"]["id"]
    await v1.post("/v1/tenants/acme/keys", {"name": "ci", "scopes": ["resources:read"]})
    hook = (await v1.post("/v1/tenants/acme/webhooks", {"url": "https://hook.invalid"})).body["webhook"]["id"]
    assert (await v1.post(f"/v1/tenants/acme/webhooks/{hook}:ping")).status == 200
    said = Consent(user_id=user, client_id=client, tenant_id=acme, scopes=("openid",), created_at=1, updated_at=1)
    await v1.server.services.db.run(consents.put, said, write=True)
    await v1.delete("tenants/acme")
    run = v1.server.services.db.run
    if end == "undelete":
        assert (await v1.post("/v1/tombstones/acme:undelete")).status == 200
        assert [item["user"]["id"] for item in await v1.items(MEMBERS)] == [user]
        assert (await v1.get(account.headers["Location"])).status == 200
        assert (await v1.get(f"/v1/clients/{client}")).status == 200
        assert await run(consents.of_user, user) == [said]
        return
    if end == "release":
        assert (await v1.call("DELETE", "/v1/tombstones/acme")).status == 200
    else:
        async with asyncio.timeout(60):
            while not await v1.items("/v1/audit?action=purge"):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.1)
    assert await run(memberships.of_user, user) == []
    assert await run(partial(invites.page, tenant_id=acme, limit=9)) == []
    assert await run(service_accounts.get, account.body["id"]) is None
    assert await run(clients.get, client) is None
    assert await run(partial(keys.page, tenant_id=acme, limit=9)) == []
    assert await run(webhooks.of_tenant, acme) == []
    assert await run(partial(deliveries.page, limit=9), hook) == []
    assert await run(consents.of_user, user) == []


def test_what_goes_with_a_tenant_is_every_row_of_its_own() -> None:
    """A table with a column for a tenant is in ``forget_tenant``, or here with the reason why not."""
    stay = {
        "resource": "the object itself",
        "tombstone": "it keeps the name",
        "revision": "history",
        "change_log": "it is compacted",
        "audit_event": "it is kept for its own time",
        "audit_chain": "it seals those",
        "session": "it ends within 12 hours",
        "auth_code": "it expires",
        "device_code": "it expires",
        "token_family": "it expires",
    }
    gone = {"membership", "invite", "tenant_consent", "api_key", "oauth_client", "service_account", "webhook"}
    found = {each._meta.table_name for each in tables.ALL if "tenant_id" in each._meta.fields}
    assert found == {*stay, *gone}


async def test_the_last_owner_stays(v1: Application) -> None:
    acme = (await v1.tenant("acme"))["status"]["tenantID"]
    user, cookie = await member(v1, acme, Role.OWNER)
    await member(v1, acme, Role.ADMIN)
    async with browser(v1.server, cookie) as api:
        for refused in (
            await api.call("DELETE", "/v1/me/tenants/acme"),
            await api.call("DELETE", f"{MEMBERS}/{user}"),
            await api.call("PATCH", f"{MEMBERS}/{user}", {"role": "admin"}),
            await v1.call("DELETE", f"{MEMBERS}/{user}"),
        ):
            assert (refused.status, refused.code) == (409, "last_owner")
        assert (await api.get(f"{MEMBERS}/{user}")).body["role"] == "owner"


async def test_an_owner_who_is_disabled_counts_for_none(v1: Application) -> None:
    acme = (await v1.tenant("acme"))["status"]["tenantID"]
    user, _ = await member(v1, acme, Role.OWNER)
    other, _ = await member(v1, acme, Role.OWNER, "gone@example.com")
    await v1.call("PATCH", f"/v1/users/{other}", {"state": "Disabled"})
    for refused in (
        await v1.call("DELETE", f"{MEMBERS}/{user}"),
        await v1.call("PATCH", f"{MEMBERS}/{user}", {"role": "admin"}),
    ):
        assert (refused.status, refused.code) == (409, "last_owner")
    assert (await v1.call("DELETE", f"{MEMBERS}/{other}")).status == 200
