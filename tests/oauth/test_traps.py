"""What Authlib's classes let through or get wrong, one by one; each test fails without what stands against it."""

import io
import logging
from base64 import b64encode
from urllib.parse import urlencode

import pytest
from joserfc import jwt

from tenantry import logs
from tenantry.model import ids
from tenantry.model.credentials import Prefix, new_token, redact
from tenantry.model.oauth import CLI, GRACE_SECONDS
from tests.support.application import KUBERNETES, Application
from tests.support.browsing import browsing
from tests.support.oauth import CALLBACK, add_client, status
from tests.support.oauth_http import Wire, error
from tests.support.people import add_session, add_user

OPEN = "openid offline_access resources:read"


async def test_tokens_are_signed_with_the_active_key_alone(v1: Application, wire: Wire) -> None:
    """Trap 1: of a key set, a random key would sign."""
    keys = v1.server.services.signing_keys
    ring = await keys.ring()
    actor = await v1.server.services.authenticator.authenticate(v1.server.token, "127.0.0.1")
    for _ in range(3):
        await keys.rotate(actor)
    assert await status(v1, "none") == 401  # it has heard of them
    for _ in range(10):
        sent = await wire.post("/oauth/token", grant_type="client_credentials")
        token = jwt.decode(sent.body["access_token"], ring.keys[0].key, algorithms=["RS256"])
        assert token.header == {"alg": "RS256", "kid": ring.keys[0].id, "typ": "at+jwt"}


@pytest.mark.parametrize(
    "changed",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge": None},
        {"code_challenge": "short"},
    ],
)
async def test_every_client_proves_with_s256_that_it_asked(wire: Wire, changed: dict[str, str | None]) -> None:
    """Trap 2: plain is allowed, and confidential clients may leave it out."""
    sent = await wire.authorize(**changed)
    assert (sent.location, sent.parameters["error"]) == (CALLBACK, "invalid_request")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"code_verifier": None}, "invalid_request"),
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": "short"}, "invalid_request"),
        ({"redirect_uri": "https://app.example.com/other"}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_grant"),
        ({"resource": "https://other.example.com"}, "invalid_target"),
        ({"code": None}, "invalid_request"),
        ({"code": "x"}, "invalid_grant"),
    ],
)
async def test_a_code_is_redeemed_by_who_asked_for_it(wire: Wire, changed: dict[str, str | None], code: str) -> None:
    given = await wire.code()
    assert error(await wire.redeem(given, **changed)) == (400, code)
    assert (await wire.redeem(given)).status == 200  # what was wrong has not spent it


async def test_a_code_is_nothing_to_another_client(v1: Application, wire: Wire) -> None:
    other, secret = await add_client(v1.server, first_party=True)
    code = await wire.code()
    assert error(await Wire(wire.http, other.id, secret).redeem(code)) == (400, "invalid_grant")
    assert (await wire.redeem(code)).status == 200


async def test_a_code_that_is_used_twice_takes_its_tokens_back(v1: Application, wire: Wire) -> None:
    """Trap 3, and: the answer is an error, and what it takes back is committed."""
    code = await wire.code(scope=OPEN)
    first = await wire.redeem(code)
    assert await status(v1, first.body["access_token"]) == 200
    assert error(await wire.redeem(code)) == (400, "invalid_grant")
    assert await status(v1, first.body["access_token"]) == 401
    assert error(await wire.refresh(first.body["refresh_token"])) == (400, "invalid_grant")
    actions = [event["action"] for event in await v1.items("/v1/audit")]
    assert actions.count("token-family.revoke") == 1


async def test_a_refresh_token_that_would_not_be_taken_is_not_active(v1: Application, wire: Wire) -> None:
    given = (await wire.redeem(await wire.code(scope=OPEN))).body
    token = given["refresh_token"]
    assert (await wire.post("/oauth/introspect", token=token)).body["active"]
    userinfo = await wire.call("GET", "/oauth/userinfo", headers={"Authorization": f"Bearer {given['access_token']}"})
    disabled = await v1.call("PATCH", f"/v1/users/{userinfo.body['sub']}", {"state": "Disabled"})
    assert disabled.status == 200
    assert (await wire.post("/oauth/introspect", token=token)).body == {"active": False}
    assert error(await wire.refresh(token)) == (400, "invalid_grant")


async def test_a_code_expires(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    code = await wire.code()
    later = ids.now_micros() + 61_000_000
    monkeypatch.setattr(ids, "now_micros", lambda: later)
    assert error(await wire.redeem(code)) == (400, "invalid_grant")


async def test_a_refresh_token_gets_the_same_successor_for_a_moment_and_then_takes_all_back(
    v1: Application, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = (await wire.redeem(await wire.code(scope=OPEN))).body
    second = (await wire.refresh(first["refresh_token"])).body
    again = (await wire.refresh(first["refresh_token"])).body
    assert again["refresh_token"] == second["refresh_token"]  # one line, no tree
    third = (await wire.refresh(second["refresh_token"])).body
    assert (await wire.refresh(second["refresh_token"])).body["refresh_token"] == third["refresh_token"]
    later = ids.now_micros() + (GRACE_SECONDS + 1) * 1_000_000
    monkeypatch.setattr(ids, "now_micros", lambda: later)
    assert error(await wire.refresh(second["refresh_token"])) == (400, "invalid_grant")
    assert error(await wire.refresh(third["refresh_token"])) == (400, "invalid_grant")
    monkeypatch.undo()
    for each in (first, second, again, third):
        assert await status(v1, each["access_token"]) == 401


async def test_only_the_token_before_the_current_one_has_that_moment(wire: Wire) -> None:
    first = (await wire.redeem(await wire.code(scope=OPEN))).body
    second = (await wire.refresh(first["refresh_token"])).body
    third = (await wire.refresh(second["refresh_token"])).body
    assert error(await wire.refresh(first["refresh_token"])) == (400, "invalid_grant")
    assert error(await wire.refresh(third["refresh_token"])) == (400, "invalid_grant")


async def test_a_refresh_may_ask_for_less_and_not_for_more(wire: Wire) -> None:
    first = (await wire.redeem(await wire.code(scope=OPEN))).body
    assert error(await wire.refresh(first["refresh_token"], scope="keys:read")) == (400, "invalid_scope")
    less = (await wire.refresh(first["refresh_token"], scope="resources:read")).body  # the error has not spent it
    assert less["scope"] == "resources:read"
    assert "id_token" not in less
    assert (await wire.refresh(less["refresh_token"])).body["scope"] == OPEN


@pytest.mark.parametrize("scope", ["openid", OPEN])
async def test_a_session_that_ends_takes_with_it_what_was_not_for_offline(
    v1: Application, wire: Wire, scope: str
) -> None:
    tokens = (await wire.redeem(await wire.code(scope=scope))).body
    assert (await wire.browse("/oauth/logout/confirm", {"csrf": "x"})).status == 403
    page = await wire.browse("/oauth/logout")
    assert await status(v1, tokens["access_token"]) == 200
    done = await wire.browse("/oauth/logout/confirm", {"csrf": page.field("csrf"), "request": page.field("request")})
    assert done.status == 303
    stays = "offline_access" in scope
    assert await status(v1, tokens["access_token"]) == (200 if stays else 401)
    assert (await wire.refresh(tokens["refresh_token"])).status == (200 if stays else 400)


async def test_a_client_may_have_a_person_signed_out_by_a_form(wire: Wire) -> None:
    """OpenID Connect RP-Initiated Logout, 2: POST too. As of the authorization endpoint, it is sent on by GET."""
    asked = {"client_id": wire.client_id, "state": "a&b=\u00e9", "logout_hint": ""}
    headers = {"Origin": "https://app.example.com", "Sec-Fetch-Site": "cross-site"}
    sent = await wire.call("POST", "/oauth/logout", data=asked, headers=headers)
    assert (sent.status, sent.location) == (303, "/oauth/logout")
    assert sent.parameters == {name: value for name, value in asked.items() if value}
    assert (await wire.browse(sent.headers["Location"])).status == 200  # who is asked first


async def test_nobody_is_sent_to_a_client_that_is_disabled(v1: Application) -> None:
    bye = "https://app.example.com/bye"
    for disabled, expected in ((False, 303), (True, 400)):
        client, secret = await add_client(v1.server, post_logout_uris=(bye,), disabled=disabled)
        async with v1.server.session(anonymous=True) as http:
            query = urlencode({"client_id": client.id, "post_logout_redirect_uri": bye})
            sent = await Wire(http, client.id, secret).call("GET", f"/oauth/logout?{query}")
        assert sent.status == expected


async def test_hostile_values_are_quoted_by_nobody(wire: Wire) -> None:
    """Trap 8: what Authlib quotes in an error makes it fail."""
    for name in ("redirect_uri", "response_type", "scope", "code_challenge"):
        for value in ('"', "\\", "\u00e9", "a" * 5000, "%"):
            sent = await wire.authorize(**{name: value})
            assert sent.status in {303, 400}, (name, value, sent.text)
    for value in ('a"b', "\u00e9", "\\"):
        assert error(await wire.post("/oauth/token", grant_type=value)) == (400, "unsupported_grant_type")


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        b"grant_type=client_credentials&grant_type=client_credentials",
        b"grant_type=client_credentials&scope=a&scope=a",
        b"grant_type=%ff%fe",
        b"grant_type=\xff",
        b"grant_type=a%00b",
        b"grant_type=a%0ab",
        b"grant_type=client_credentials&scope=%c2%85",
        b"x=1&" * 100,
        b"a=" + b"x" * (1 << 20),
        b"",
        b"&&&=&",
    ],
)
async def test_forms_that_make_no_sense_are_bad_requests(wire: Wire, body: bytes) -> None:
    """Trap 16, and control characters, bytes that are not UTF-8, and values of 1 MiB."""
    basic = b64encode(f"{wire.client_id}:{wire.secret}".encode()).decode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Basic {basic}"}
    for path in ("/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/device_authorization"):
        sent = await wire.call("POST", path, data=io.BytesIO(body), headers=headers)
        assert sent.status == 400, sent.text
        assert sent.headers["Cache-Control"] == "no-store"


async def test_the_url_of_a_post_says_nothing(wire: Wire) -> None:
    """Trap 16: query and form are not merged."""
    assert error(await wire.post("/oauth/token?grant_type=client_credentials")) == (400, "invalid_request")


@pytest.mark.parametrize("scope", ["platform:admin", "members:write", "openid", "nonsense", "keys:read members:write"])
async def test_client_credentials_get_no_more_than_the_client_has(wire: Wire, scope: str) -> None:
    sent = await wire.post("/oauth/token", grant_type="client_credentials", scope=scope)
    assert error(sent) == (400, "invalid_scope")


async def test_who_may_not_use_a_grant_is_told_so(v1: Application, wire: Wire) -> None:
    client, secret = await add_client(v1.server, grant_types=("authorization_code",), first_party=True)
    other = Wire(wire.http, client.id, secret, wire.cookie)
    assert error(await other.post("/oauth/token", grant_type="client_credentials")) == (400, "unauthorized_client")
    assert error(await other.post("/oauth/device_authorization")) == (400, "unauthorized_client")
    assert "refresh_token" not in (await other.redeem(await other.code())).body
    assert error(await wire.post("/oauth/token", grant_type="password")) == (400, "unsupported_grant_type")


@pytest.mark.parametrize("prefix", list(Prefix))
def test_no_credential_stays_in_a_text(prefix: Prefix) -> None:
    token = new_token(prefix)[0]
    assert token.split("_")[2] not in redact(f"code={token}&x")


async def test_tokens_live_for_minutes(wire: Wire) -> None:
    """Trap 12: ten days."""
    assert (await wire.post("/oauth/token", grant_type="client_credentials")).body["expires_in"] == 300
    assert (await wire.redeem(await wire.code())).body["expires_in"] == 900


async def test_no_token_is_logged(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    """Trap 13: at DEBUG Authlib logs whole tokens."""
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    logs.configure("debug", io.StringIO())
    root.addHandler(caplog.handler)
    try:
        logging.getLogger("tenantry.test").debug("at that level")
        code = await wire.code()
        tokens = (await wire.redeem(code)).body
    finally:
        root.setLevel(before[0])
        root.handlers[:] = before[1]
        for talkative in ("authlib", "peewee"):
            logging.getLogger(talkative).setLevel(logging.NOTSET)
        logs.ACCESS.close()
    assert "at that level" in caplog.text
    for secret in (code, wire.secret, *(tokens[name] for name in ("access_token", "refresh_token", "id_token"))):
        assert secret not in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": None},
        {"client_id": "A" * 16},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": f"{CALLBACK}/"},
        {"redirect_uri": f"{CALLBACK}?a=b"},
        {"redirect_uri": CALLBACK.upper()},
        {"redirect_uri": "https://app.example.com:443/callback"},
    ],
)
async def test_nobody_is_sent_where_the_client_has_not_said(wire: Wire, changed: dict[str, str | None]) -> None:
    sent = await wire.authorize(**changed)
    assert sent.status == 400
    assert "Location" not in sent.headers
    assert sent.headers["Content-Type"].startswith("text/html")


async def test_a_repeated_parameter_is_no_request(wire: Wire) -> None:
    twice = urlencode([("client_id", wire.client_id), ("client_id", wire.client_id)])
    assert (await wire.browse(f"/oauth/authorize?{twice}")).status == 400


async def test_a_strange_person_signs_in_first_and_comes_back(wire: Wire) -> None:
    stranger = Wire(wire.http, wire.client_id, wire.secret, "")
    sent = await stranger.authorize()
    assert (sent.status, sent.location) == (303, "/login")
    back = sent.parameters["return_to"]
    assert back.startswith("/oauth/authorize?")
    assert (await wire.browse(back)).location == CALLBACK
    assert (await stranger.authorize(prompt="none")).parameters["error"] == "login_required"


async def test_a_stranger_goes_on_to_the_client_after_the_login_page(v1: Application, wire: Wire) -> None:
    password = "four unrelated old words"
    await add_user(v1.server, "eve@example.com", password_hash=await v1.server.services.passwords.hash(password))
    link = (await Wire(wire.http, wire.client_id).authorize(prompt="login")).parameters["return_to"]
    async with browsing(v1.server) as browser:
        sent = await browser.get(link.partition("&signed_in_since")[0])
        page = await browser.follow(sent)
        assert page.path.startswith("/login?")
        back = await browser.submit(page, email="eve@example.com", password=password)
        gone = await browser.follow(back)
        assert gone.location.startswith(f"{CALLBACK}?code=")


@pytest.mark.parametrize("asked", [{"prompt": "login"}, {"prompt": "select_account"}, {"max_age": "0"}])
async def test_who_must_sign_in_again_does_so_once(v1: Application, wire: Wire, asked: dict[str, str]) -> None:
    sent = await wire.authorize(**asked)
    assert (sent.status, sent.location) == (303, "/login")
    user = await v1.server.services.standing.session(wire.cookie.split("_")[1])
    assert user
    person = await v1.server.services.standing.user(user.user_id)
    assert person
    fresh = Wire(wire.http, wire.client_id, wire.secret, await add_session(v1.server, person, user.tenant_id))
    done = await fresh.browse(sent.parameters["return_to"])
    assert done.location == CALLBACK
    assert (await wire.browse(sent.parameters["return_to"])).location == "/login"
    forged = sent.parameters["return_to"].partition("signed_in_since=")[0] + "signed_in_since=MA=="
    assert (await wire.browse(forged)).status == 400


async def test_who_is_removed_from_a_tenant_leaves_no_token_there(v1: Application, wire: Wire) -> None:
    tokens = (await wire.redeem(await wire.code(scope=OPEN))).body
    session = await v1.server.services.standing.session(wire.cookie.split("_")[1])
    assert session
    removed = await v1.call("DELETE", f"/v1/tenants/acme/members/{session.user_id}")
    assert removed.status == 200, removed.body
    assert await status(v1, tokens["access_token"]) == 401
    assert error(await wire.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


async def test_the_clients_of_a_tenant_go_with_it(v1: Application, wire: Wire) -> None:
    tenant = (await v1.get(f"{KUBERNETES}/tenants/acme")).body["status"]["tenantID"]
    client, secret = await add_client(v1.server, tenant_id=tenant)
    own = Wire(wire.http, client.id, secret)
    assert (await own.post("/oauth/token", grant_type="client_credentials")).status == 200
    await v1.delete("tenants/acme")
    assert await status(v1, "none") == 401  # it has heard of that
    assert error(await own.post("/oauth/token", grant_type="client_credentials")) == (401, "invalid_client")


async def test_a_device_never_gets_the_platform(wire: Wire) -> None:
    device = Wire(wire.http, CLI.id)
    for scope in ("platform:admin", "", " "):
        sent = await device.post("/oauth/device_authorization", scope=scope)
        assert error(sent) == (400, "invalid_scope")


async def test_a_device_gets_rights_in_a_tenant_only(v1: Application, wire: Wire) -> None:
    session = await v1.server.services.standing.session(wire.cookie.split("_")[1])
    assert session
    user = await v1.server.services.standing.user(session.user_id)
    assert user
    device = Wire(wire.http, CLI.id, "", await add_session(v1.server, user))
    csrf = (await device.browse("/device")).field("csrf")
    statuses = []
    poll = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": ""}
    for scope in ("openid email", "openid resources:read"):
        waiting = (await device.post("/oauth/device_authorization", scope=scope)).body
        page = await device.browse("/device", {"csrf": csrf, "user_code": waiting["user_code"], "decision": "allow"})
        statuses.append((page.status, "you are in none: choose one" in page.text))
        assert "without --device" not in page.text
        poll["device_code"] = waiting["device_code"]
    assert statuses == [(200, False), (422, True)]
    assert error(await device.post("/oauth/token", **poll)) == (400, "authorization_pending")
    admin = await add_user(v1.server, "root@example.com", platform_admin=True)
    root = Wire(wire.http, CLI.id, "", await add_session(v1.server, admin))
    csrf = (await root.browse("/device")).field("csrf")
    waiting = (await device.post("/oauth/device_authorization", scope="resources:read")).body
    page = await root.browse("/device", {"csrf": csrf, "user_code": waiting["user_code"]})
    assert "to administer that, run `tenantry login` without --device" in page.text


async def test_the_page_for_devices_wants_a_fresh_sign_in(v1: Application, wire: Wire) -> None:
    session = await v1.server.services.standing.session(wire.cookie.split("_")[1])
    assert session
    user = await v1.server.services.standing.user(session.user_id)
    assert user
    old = await add_session(v1.server, user, auth_time=ids.now_micros() - 6 * 60 * 1_000_000)
    sent = await Wire(wire.http, CLI.id, "", old).browse("/device?user_code=BCDF-GHJK")
    assert (sent.location, sent.parameters["return_to"]) == ("/login", "/device?user_code=BCDF-GHJK")


async def test_codes_of_devices_cannot_be_tried_out(wire: Wire) -> None:
    csrf = (await wire.browse("/device")).field("csrf")
    for _ in range(5):
        assert (await wire.browse("/device", {"csrf": csrf, "user_code": "BCDF-GHJK"})).status == 422
    refused = await wire.browse("/device", {"csrf": csrf, "user_code": "BCDF-GHJK"})
    assert refused.status == 429
    assert int(refused.headers["Retry-After"]) > 0


async def test_a_link_fills_the_code_in_and_sends_nothing(v1: Application, wire: Wire) -> None:
    device = (await Wire(wire.http, CLI.id).post("/oauth/device_authorization", scope="openid")).body
    path = device["verification_uri_complete"].partition("/device")[2]
    page = await wire.browse(f"/device{path}")
    assert page.field("user_code") == device["user_code"]
    assert "<script" not in page.text
    poll = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": device["device_code"]}
    assert error(await Wire(wire.http, CLI.id).post("/oauth/token", **poll)) == (400, "authorization_pending")
    client, secret = await add_client(v1.server, grant_types=(poll["grant_type"],))
    assert error(await Wire(wire.http, client.id, secret).post("/oauth/token", **poll)) == (400, "invalid_grant")
    assert error(await Wire(wire.http, CLI.id).post("/oauth/token", **{**poll, "device_code": "x"})) == (
        400,
        "invalid_grant",
    )


async def test_a_client_that_asks_for_somebody_gets_nobody_else(v1: Application, wire: Wire) -> None:
    hint = (await wire.redeem(await wire.code())).body["id_token"]
    assert await wire.code(id_token_hint=hint)
    access_token = (await wire.redeem(await wire.code())).body["access_token"]
    for unreadable in ("x", access_token):  # it asks for somebody, and who that is cannot be told
        for prompt, told in ((None, "invalid_request"), ("none", "login_required")):
            sent = await wire.authorize(id_token_hint=unreadable, prompt=prompt)
            assert (sent.location, sent.parameters["error"]) == (CALLBACK, told)
            assert "leave it out" in sent.parameters["error_description"]
    another = await add_session(v1.server, await add_user(v1.server, "bob@example.com"))
    for prompt in (None, "none"):
        sent = await Wire(wire.http, wire.client_id, wire.secret, another).authorize(id_token_hint=hint, prompt=prompt)
        assert (sent.location, sent.parameters["error"]) == (CALLBACK, "login_required")
        assert "iss" in sent.parameters


async def test_who_gives_back_anothers_token_is_told_so(v1: Application, wire: Wire) -> None:
    """RFC 7009, 2.1."""
    tokens = (await wire.redeem(await wire.code(scope=OPEN))).body
    client, secret = await add_client(v1.server)
    other = Wire(wire.http, client.id, secret)
    for token in ("access_token", "refresh_token"):
        assert error(await other.post("/oauth/revoke", token=tokens[token])) == (400, "invalid_grant")
    assert await status(v1, tokens["access_token"]) == 200
    assert (await wire.refresh(tokens["refresh_token"])).status == 200


async def test_a_token_that_lacks_a_scope_is_told_which(wire: Wire) -> None:
    """RFC 6750, 3.1."""
    challenge = 'Bearer realm="tenantry", error="insufficient_scope", scope="{}"'
    token = (await wire.redeem(await wire.code(scope="email resources:read"))).body["access_token"]

    async def ask(path: str, bearer: str) -> tuple[int, str | None]:
        sent = await wire.call("GET", path, headers={"Authorization": f"Bearer {bearer}"})
        return sent.status, sent.headers.get("WWW-Authenticate")

    for path, scope in (
        ("/oauth/userinfo", "openid"),
        ("/v1/tenants/acme/members", "members:read"),
        ("/v1/users", None),  # which no scope opens in a tenant
        ("/v1/me/tenants", None),  # which no scope opens
    ):
        assert await ask(path, token) == (403, challenge.format(scope) if scope else None), path
    more = (await wire.redeem(await wire.code(scope="openid keys:read"))).body["access_token"]
    assert await ask("/oauth/userinfo", more) == (200, None)
    assert await ask("/v1/tenants/acme/keys", more) == (403, None)  # it has the scope: the person lacks the right
    own = (await wire.post("/oauth/token", grant_type="client_credentials", scope="resources:read")).body
    assert await ask("/oauth/userinfo", own["access_token"]) == (403, challenge.format("openid"))
    assert await ask("/v1/keys", own["access_token"]) == (403, challenge.format("keys:read"))
    by_cookie = await wire.browse("/v1/keys")
    assert (by_cookie.status, by_cookie.headers.get("WWW-Authenticate")) == (403, None)
