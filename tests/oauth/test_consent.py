"""What a person is asked before a client gets anything, and what they have said: whom it counts for, and how long."""

import io
import re
from datetime import datetime

import pytest

from tenantry.model.oauth import CLI, ClientKind, GrantType
from tenantry.model.permissions import MEANINGS, OF_TENANTS, Permission, Role
from tenantry.storage import users
from tenantry.web import csrf
from tests.support.application import Application
from tests.support.oauth import CALLBACK, add_client, status
from tests.support.oauth_http import Sent, Wire, error
from tests.support.people import add_member, add_session, add_user, browser, seen

OPEN = "openid offline_access resources:read"


async def test_a_consent_is_sent_by_our_own_page_alone(v1: Application, wire: Wire) -> None:
    client, secret = await add_client(v1.server, name="<b>Third</b>")
    third = Wire(wire.http, client.id, secret, wire.cookie)
    page = await third.authorize()
    assert page.status == 200
    assert "<b>Third</b>" not in page.text
    policy = page.headers["Content-Security-Policy"]
    assert policy.endswith("form-action 'self' https://app.example.com")
    form = {"request": page.field("request"), "decision": "allow"}
    assert (await third.browse("/oauth/consent", form)).status == 403
    assert (await third.decide(page)).location == CALLBACK
    twisted = form["request"].replace("app.example.com", "evil.example")
    sent = await third.browse("/oauth/consent", {**form, "request": twisted, "csrf": page.field("csrf")})
    assert sent.status == 400


@pytest.mark.slow
@pytest.mark.parametrize(
    "redirect_uri", ["http://127.0.0.1:4711/callback", "http://[::1]/callback", "com.example.app:/callback", CALLBACK]
)
@pytest.mark.parametrize("first_party", [True, False])
async def test_a_program_that_another_can_pass_for_asks_each_time(
    v1: Application, wire: Wire, redirect_uri: str, *, first_party: bool
) -> None:
    """RFC 8252, 8.6: what a person has allowed before counts only where no other program can be answered."""
    client, _ = await add_client(
        v1.server,
        name="Tool",
        kind=ClientKind.PUBLIC,
        first_party=first_party,
        redirect_uris=("http://127.0.0.1/callback", "http://[::1]/callback", "com.example.app:/callback", CALLBACK),
    )
    app = Wire(wire.http, client.id, "", wire.cookie)
    asked = await app.authorize(redirect_uri=redirect_uri)
    if redirect_uri == CALLBACK and first_party:
        assert asked.status == 303
        return
    assert asked.status == 200
    assert ("calls itself" in asked.text) is (redirect_uri != CALLBACK)
    assert "code" in (await app.decide(asked)).parameters
    again = await app.authorize(redirect_uri=redirect_uri)
    assert (again.status == 303) is (redirect_uri == CALLBACK)
    silent = await app.authorize(redirect_uri=redirect_uri, prompt="none")
    assert silent.parameters.get("error") == (None if redirect_uri == CALLBACK else "consent_required")


async def test_a_consent_counts_in_the_tenant_that_it_was_given_in(v1: Application, wire: Wire) -> None:
    """The page says: in that tenant and in no other."""
    globex = (await v1.tenant("globex"))["status"]["tenantID"]
    user = await v1.server.services.db.run(users.find, "ada@example.com")
    assert user
    await add_member(v1.server, globex, user, Role.OWNER)
    client, secret = await add_client(v1.server)
    in_acme = Wire(wire.http, client.id, secret, wire.cookie)
    elsewhere = Wire(wire.http, client.id, secret, await add_session(v1.server, user, globex))
    assert "code" in (await in_acme.decide(await in_acme.authorize())).parameters
    silent = await elsewhere.authorize(prompt="none")
    assert silent.parameters.get("error") == "consent_required"
    asked = await elsewhere.authorize()
    assert "globex" in asked.text
    assert "code" in (await elsewhere.decide(asked)).parameters
    for one in (in_acme, elsewhere):
        assert "code" in (await one.authorize(prompt="none")).parameters


async def test_what_is_allowed_is_what_was_shown(v1: Application, wire: Wire) -> None:
    """Who goes to another tenant in another tab is shown what the client would have there."""
    user = await add_user(v1.server, "root@example.com", platform_admin=True)
    acme = (await v1.get("/v1/tenants/acme")).body["status"]["tenantID"]
    await add_member(v1.server, acme, user, Role.OWNER)
    client, secret = await add_client(v1.server, scopes=("resources:read", "platform:admin"))
    root = Wire(wire.http, client.id, secret, await add_session(v1.server, user, acme))
    page = await root.authorize(scope="resources:read platform:admin")
    assert "In the tenant <strong>acme</strong>" in page.text
    async with browser(v1.server, root.cookie) as person:
        assert (await person.post("/v1/me/tenant", {"tenant": ""})).status == 200
    await seen(v1.server)
    again = await root.decide(page)
    assert (again.status, "(on the whole platform)" in again.text) == (200, True)
    assert "code" in (await root.decide(again)).parameters


async def test_a_device_is_connected_where_the_page_said(wire: Wire) -> None:
    device = Wire(wire.http, CLI.id, "", wire.cookie)
    waiting = (await device.post("/oauth/device_authorization", scope="resources:read")).body
    form = {"csrf": (await device.browse("/device")).field("csrf"), "user_code": waiting["user_code"]}
    elsewhere = await device.browse("/device", {**form, "decision": "allow", "acts_in": "another"})
    assert "in the tenant <strong>acme</strong>" in elsewhere.text
    acts_in = elsewhere.field("acts_in")
    done = await device.browse("/device", {**form, "decision": "allow", "acts_in": acts_in})
    assert "acts_in" not in done.text


@pytest.mark.parametrize(
    ("scope", "told"), [("openid resources:read", None), ("openid email", None), ("profile email", "ada@example.com")]
)
async def test_a_client_is_told_who_a_person_is_by_scope(wire: Wire, scope: str, told: str | None) -> None:
    """The page says "See your e-mail address", or does not."""
    token = (await wire.redeem(await wire.code(scope=scope))).body["access_token"]
    sent = await wire.call("GET", "/v1/me", headers={"Authorization": f"Bearer {token}"})
    assert sent.status == 200
    assert (sent.body["user"] or {}).get("email") == told


async def test_a_client_that_can_prove_itself_may_be_answered_on_loopback(v1: Application, wire: Wire) -> None:
    client, secret = await add_client(v1.server, first_party=True, redirect_uris=("http://127.0.0.1/callback",))
    sent = await Wire(wire.http, client.id, secret, wire.cookie).authorize(redirect_uri="http://127.0.0.1/callback")
    assert "code" in sent.parameters


@pytest.mark.parametrize(
    ("scope", "lifetime"),
    [("openid", "until you sign out, 12 hours at most"), (OPEN, "for 30 days, also when you have signed out")],
)
async def test_a_consent_says_for_how_long(v1: Application, wire: Wire, scope: str, lifetime: str) -> None:
    client, secret = await add_client(v1.server)
    assert lifetime in (await Wire(wire.http, client.id, secret, wire.cookie).authorize(scope=scope)).text


async def test_who_signs_in_too_late_to_answer_is_told_so(v1: Application, wire: Wire) -> None:
    client, secret = await add_client(v1.server)
    page = await Wire(wire.http, client.id, secret, wire.cookie).authorize()
    late = await Wire(wire.http, client.id, secret, "").decide(page)
    assert (late.location, late.parameters["return_to"]) == ("/login", "/oauth/consent")
    told = await wire.browse("/oauth/consent")
    assert told.status == 400
    assert "begin again" in told.text


async def test_a_client_may_ask_by_a_form(wire: Wire) -> None:
    """OpenID Connect Core, 3.1.2.1: POST too. The browser comes without a cookie, so it is sent on by GET."""
    asked = {"client_id": wire.client_id, "scope": "openid resources:read", "state": "a&b=\u00e9", "nonce": ""}
    headers = {"Origin": "https://app.example.com", "Sec-Fetch-Site": "cross-site"}
    sent = await wire.call("POST", "/oauth/authorize", data=asked, headers=headers)
    assert (sent.status, sent.location) == (303, "/oauth/authorize")
    assert sent.parameters == {name: value for name, value in asked.items() if value}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"client_id=x&client_id=x", "/oauth/authorize"),
        (b"client_id=%ff", "/oauth/authorize"),
        (b"client_id=a%00b", "/oauth/authorize"),
        (b"x=1&" * 100, "/oauth/authorize"),
        (b"a=" + b"x" * 70_000, "/oauth/authorize"),
        (b"a=" + b"*" * 30_000, "/oauth/authorize"),
        (b"client_id=x", "/oauth/authorize?state=s"),
    ],
)
async def test_a_form_of_a_client_is_judged_as_a_query_is(wire: Wire, body: bytes, path: str) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    sent = await wire.call("POST", path, data=io.BytesIO(body), headers=headers)
    assert sent.status == 400, sent.text
    assert sent.headers["Content-Type"].startswith("text/html")


async def test_people_are_told_each_right_once_and_where_it_is(v1: Application, wire: Wire) -> None:
    """In a tenant a scope of the platform brings what a tenant has; outside of all, it alone brings anything."""
    scopes = ("openid", "resources:read", "keys:write", "platform:read", "platform:admin")
    client, secret = await add_client(v1.server, scopes=scopes)
    in_acme = Wire(wire.http, client.id, secret, wire.cookie)
    user = await v1.server.services.db.run(users.find, "ada@example.com")
    assert user
    outside = Wire(wire.http, client.id, secret, await add_session(v1.server, user))
    read, see_users = MEANINGS[Permission.RESOURCES_READ], MEANINGS[Permission.USERS_READ]
    everywhere = "(on the whole platform)"

    page = await in_acme.authorize(scope="openid resources:read keys:write platform:read platform:admin")
    told = listed(page)
    assert len(told) == len(set(told)) == 1 + len(MEANINGS.keys() & OF_TENANTS)
    assert {"Know who you are", read} <= set(told)
    assert everywhere not in page.text
    assert "code" in (await in_acme.decide(page)).parameters

    page = await outside.authorize(scope="openid keys:write platform:read")
    told = [f"{read} {everywhere}", f"{MEANINGS[Permission.AUDIT_READ]} {everywhere}"]
    assert listed(page) == ["Know who you are", *told]
    assert "code" in (await outside.decide(page)).parameters
    held = listed(await wire.browse("/account/grants"))
    assert len(held) == len(set(held)) == 1 + len(MEANINGS.keys() & OF_TENANTS) + len(told)
    assert {read, *told} <= set(held)
    assert not any(text.startswith(see_users) for text in held)


def listed(page: Sent) -> list[str]:
    """What may be done, as the page lists it."""
    return re.findall(r"<li>([^<\n]+)</li>", page.text)


async def test_what_was_allowed_can_be_taken_back(v1: Application, wire: Wire) -> None:
    tokens = (await wire.redeem(await wire.code(scope=OPEN))).body
    headers = {"Cookie": f"__Host-tenantry={wire.cookie}"}
    async with v1.server.session(anonymous=True) as http:
        person = Application(http, v1.server)
        (grant,) = (await person.get("/v1/me/grants", **headers)).body["items"]
        assert (grant["clientID"], grant["scopes"]) == (wire.client_id, OPEN.split())
        unsafe = {**headers, csrf.HEADER: csrf.token_of(wire.cookie), "Sec-Fetch-Site": "same-origin"}
        done = await person.call("DELETE", f"/v1/me/grants/{wire.client_id}", None, **unsafe)
        assert done.body == {"items": []}
        assert (await person.call("DELETE", f"/v1/me/grants/{wire.client_id}", None, **unsafe)).status == 404
    assert await status(v1, tokens["access_token"]) == 401
    assert error(await wire.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


async def test_the_page_of_what_was_allowed_tells_where_it_acts(v1: Application, wire: Wire) -> None:
    beta = (await v1.tenant("beta"))["status"]["tenantID"]
    user = await v1.server.services.db.run(users.find, "ada@example.com")
    assert user
    await add_member(v1.server, beta, user, Role.VIEWER)
    for place in (beta, ""):
        elsewhere = Wire(wire.http, wire.client_id, "", await add_session(v1.server, user, place))
        await elsewhere.code(scope=OPEN)
    assert "Acts for you in the tenant beta, outside of all tenants<br>" in (await wire.browse("/account/grants")).text


async def test_the_page_of_what_was_allowed_tells_until_when_and_takes_it_back(v1: Application, wire: Wire) -> None:
    device = Wire(wire.http, CLI.id, "", wire.cookie)
    waiting = (await device.post("/oauth/device_authorization", scope="openid")).body
    form = {"csrf": (await device.browse("/device")).field("csrf"), "user_code": waiting["user_code"]}
    assert (await device.browse("/device", {**form, "decision": "allow"})).status == 200
    poll = {"grant_type": GrantType.DEVICE_CODE, "device_code": waiting["device_code"]}
    token = (await device.post("/oauth/token", **poll)).body["access_token"]
    code = await wire.code(scope=OPEN)
    page = await wire.browse("/account/grants")
    assert (page.text.count("Access until"), page.text.count("No access now")) == (1, 1)
    assert page.text.count("Acts for you in the tenant acme<br>") == 2
    given = (await wire.redeem(code)).body
    async with browser(v1.server, wire.cookie) as person:
        told = {each["clientID"]: each for each in (await person.get("/v1/me/grants")).body["items"]}
    days = {
        each: (datetime.fromisoformat(grant["expiresAt"]) - datetime.fromisoformat(grant["grantedAt"])).days
        for each, grant in told.items()
    }
    assert set(days) == {CLI.id, wire.client_id}
    assert set(days.values()) <= {29, 30}
    page = await wire.browse("/account/grants")
    assert page.text.count("Access until") == 2
    withdrawn = {"csrf": page.field("csrf"), "client": CLI.id}
    assert (await wire.browse("/account/grants/withdraw", {"client": CLI.id})).status == 403
    assert (await wire.browse("/account/grants/withdraw", withdrawn)).location == "/account/grants"
    assert await status(v1, token) == 401
    assert await status(v1, given["access_token"]) == 200
    assert (await wire.browse("/account/grants/withdraw", withdrawn)).status == 404
    assert CLI.name not in (await wire.browse("/account/grants")).text
    stranger = Wire(wire.http, wire.client_id, "", "")
    assert (await stranger.browse("/account/grants")).location == "/login"
