"""Whose rights a token of a person has: never those of a tenant, or of the platform, that its client has no part in."""

from collections.abc import AsyncIterator

import pytest

from tenantry.model.oauth import CLI, GrantType
from tenantry.model.permissions import Role
from tests.support.application import Application
from tests.support.oauth import add_client
from tests.support.oauth_http import Sent, Wire
from tests.support.people import add_member, add_session, add_user, seen

SCOPES = ("openid", "offline_access", "resources:read", "members:read", "keys:read", "keys:write")


@pytest.fixture
async def tenants(v1: Application) -> dict[str, str]:
    """Name -> identity."""
    return {name: (await v1.tenant(name))["status"]["tenantID"] for name in ("acme", "other")}


@pytest.fixture
async def wire(v1: Application, tenants: dict[str, str]) -> AsyncIterator[Wire]:
    """A client of acme's, at the browser of an owner of other, who acts there."""
    owner = await add_user(v1.server)
    await add_member(v1.server, tenants["other"], owner, Role.OWNER)
    cookie = await add_session(v1.server, owner, tenants["other"])
    client, secret = await add_client(v1.server, tenant_id=tenants["acme"], scopes=SCOPES)
    async with v1.server.session(anonymous=True) as http:
        yield Wire(http, client.id, secret, cookie)


async def consented(wire: Wire, scope: str) -> str:
    """An access token of the client whom the person allows everything."""
    allowed = await wire.decide(await wire.authorize(scope=scope))
    token: str = (await wire.redeem(allowed.parameters["code"])).body["access_token"]
    return token


async def call(wire: Wire, token: str, path: str) -> Sent:
    return await wire.call("GET", path, headers={"Authorization": f"Bearer {token}"})


async def test_the_client_of_a_tenant_reaches_into_no_other(
    v1: Application, wire: Wire, tenants: dict[str, str]
) -> None:
    token = await consented(wire, "openid members:read")
    for path in ("/v1/tenants/other/members", "/v1/tenants/acme/members"):
        assert (await call(wire, token, path)).status == 404, path
    assert (await call(wire, token, "/oauth/userinfo")).status == 200
    owner = (await call(wire, token, "/oauth/userinfo")).body["sub"]
    user = await v1.server.services.standing.user(owner)
    assert user
    await add_member(v1.server, tenants["acme"], user, Role.VIEWER)
    v1.server.services.standing.forget("Membership", f"{tenants['acme']}/{owner}")
    assert (await call(wire, token, "/v1/tenants/acme/members")).status == 200
    assert (await call(wire, token, "/v1/tenants/other/members")).status == 404


async def test_who_is_asked_is_told_in_which_tenant_it_is(v1: Application, wire: Wire) -> None:
    assert "In the tenant <strong>acme</strong>" in (await wire.authorize()).text
    platforms, _ = await add_client(v1.server, scopes=SCOPES)
    assert (
        "In the tenant <strong>other</strong>"
        in (await Wire(wire.http, platforms.id, "", wire.cookie).authorize()).text
    )


async def test_the_client_of_a_tenant_has_nothing_of_who_administers_the_platform(v1: Application, wire: Wire) -> None:
    admin = await add_user(v1.server, "root@example.com", platform_admin=True)
    at_admins = Wire(wire.http, wire.client_id, wire.secret, await add_session(v1.server, admin))
    token = await consented(at_admins, "keys:read members:read")
    for path in ("/v1/keys", "/v1/tenants/other/members"):
        assert (await call(wire, token, path)).status in {403, 404}, path


async def test_a_device_never_acts_for_the_platform(v1: Application, wire: Wire) -> None:
    admin = await add_user(v1.server, "root@example.com", platform_admin=True)
    tenant = (await v1.tenant("globex"))["status"]["tenantID"]
    await add_member(v1.server, tenant, admin, Role.VIEWER)
    device = Wire(wire.http, CLI.id, "", await add_session(v1.server, admin, tenant))
    waiting = (await device.post("/oauth/device_authorization", scope="keys:read members:read")).body
    page = await device.browse("/device")
    form = {"csrf": page.field("csrf"), "user_code": waiting["user_code"], "decision": "allow"}
    assert (await device.browse("/device", form)).status == 200
    poll = {"grant_type": GrantType.DEVICE_CODE, "device_code": waiting["device_code"]}
    token = (await device.post("/oauth/token", **poll)).body["access_token"]
    for path in ("/v1/keys", "/v1/tenants/other/members"):
        assert (await call(wire, token, path)).status in {403, 404}, path


async def test_a_client_that_may_less_from_now_on_has_no_token_that_may_more(v1: Application, wire: Wire) -> None:
    client, secret = await add_client(v1.server, scopes=SCOPES)
    mine = Wire(wire.http, client.id, secret, wire.cookie)
    token = await consented(mine, "members:read keys:read")
    assert (await call(mine, token, "/v1/keys")).status == 200
    changed = await v1.call("PATCH", f"/v1/clients/{client.id}", {"scopes": ["members:read"]})
    assert changed.status == 200
    await seen(v1.server)
    assert (await call(mine, token, "/v1/keys")).status == 403
    assert (await call(mine, token, "/v1/tenants/other/members")).status == 200


async def test_a_tenant_sees_who_was_let_into_it(v1: Application, wire: Wire, tenants: dict[str, str]) -> None:
    client, secret = await add_client(v1.server, scopes=SCOPES, first_party=True)
    mine = Wire(wire.http, client.id, secret, wire.cookie)
    given = (await mine.redeem(await mine.code(scope="openid offline_access"))).body
    assert (await mine.post("/oauth/revoke", token=given["refresh_token"])).status == 200
    rows = await v1.items(f"/v1/audit?kind=TokenFamily&tenantID={tenants['other']}")
    assert [row["action"] for row in rows] == ["token-family.revoke", "token-family.begin"]
    assert {row["actor"] for row in rows} == {f"client:{client.id}"}
    assert {row["onBehalfOf"].partition(":")[0] for row in rows} == {"user"}
