"""What Authlib's classes let through or get wrong, one by one; each test fails without what stands against it."""

import io
import json
import logging
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from tenantry import logs
from tenantry.model import ids
from tenantry.model.credentials import Prefix, new_token, redact
from tenantry.model.oauth import CLI, GRACE_SECONDS, ClientKind
from tenantry.model.permissions import Role
from tenantry.storage import changes
from tenantry.web import csrf
from tests.support.application import KUBERNETES, Application
from tests.support.browsing import browsing
from tests.support.oauth import CALLBACK, add_client
from tests.support.oauth_http import Sent, Wire
from tests.support.people import add_member, add_session, add_user

OPEN = "openid offline_access resources:read"


@pytest.fixture
async def wire(v1: Application) -> AsyncIterator[Wire]:
    """A client of ours, and a member of a tenant at a browser."""
    tenant = (await v1.tenant("acme"))["status"]["tenantID"]
    user = await add_user(v1.server)
    await add_member(v1.server, tenant, user, Role.VIEWER)
    cookie = await add_session(v1.server, user, tenant)
    client, secret = await add_client(v1.server, first_party=True)
    async with v1.server.session(anonymous=True) as http:
        yield Wire(http, client.id, secret, cookie)


async def status(api: Application, token: str) -> int:
    services = api.server.services
    assert await services.feed.wait_for(await services.db.run(changes.current_seq), 20)
    return (await api.get("/v1/me", Authorization=f"Bearer {token}")).status


def error(sent: Sent) -> tuple[int, str]:
    return sent.status, sent.body["error"]


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
    assert (await wire.browse("/oauth/logout", {"csrf": "x"})).status == 403
    page = await wire.browse("/oauth/logout")
    assert await status(v1, tokens["access_token"]) == 200
    done = await wire.browse("/oauth/logout", {"csrf": page.field("csrf"), "request": page.field("request")})
    assert done.status == 303
    stays = "offline_access" in scope
    assert await status(v1, tokens["access_token"]) == (200 if stays else 401)
    assert (await wire.refresh(tokens["refresh_token"])).status == (200 if stays else 400)


async def test_hostile_values_are_quoted_by_nobody(wire: Wire) -> None:
    """Trap 8: what Authlib quotes in an error makes it fail."""
    for name in ("redirect_uri", "response_type", "scope", "code_challenge"):
        for value in ('"', "\\", "\u00e9", "a" * 5000, "%"):
            sent = await wire.authorize(**{name: value})
            assert sent.status in {303, 400}, (name, value, sent.text)
    for value in ('a"b', "\u00e9", "\\"):
        assert error(await wire.post("/oauth/token", grant_type=value)) == (400, "unsupported_grant_type")


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic !!!",
        "Basic " + b64encode(b"\xff\xfe:\xff").decode(),
        "Basic " + b64encode(b"no colon").decode(),
        "Basic " + b64encode(b"a\0b:c\nd").decode(),
        "Basic \u00e9\u00e8",
        "Bearer x",
        "Digest x",
    ],
)
async def test_a_header_that_is_no_basic_is_a_bad_request(wire: Wire, header: str) -> None:
    for path in ("/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/device_authorization"):
        sent = await wire.call(
            "POST", path, data={"grant_type": "client_credentials"}, headers={"Authorization": header}
        )
        assert error(sent) == (400, "invalid_request")


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


async def test_a_client_proves_itself_in_one_way(wire: Wire) -> None:
    both = await wire.post("/oauth/token", grant_type="client_credentials", client_secret=wire.secret)
    assert error(both) == (400, "invalid_request")
    other = await wire.post("/oauth/token", grant_type="client_credentials", client_id="another")
    assert error(other) == (400, "invalid_request")


async def test_who_does_not_prove_itself_learns_nothing(wire: Wire) -> None:
    answers = [
        await Wire(wire.http, client_id, secret).post("/oauth/token", grant_type="client_credentials")
        for client_id, secret in ((wire.client_id, "wrong"), ("A" * 16, "wrong"), ("?", "wrong"), (wire.client_id, ""))
    ]
    assert {error(sent) for sent in answers} == {(401, "invalid_client")}
    assert len({sent.text for sent in answers}) == 1


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


@pytest.mark.parametrize("asked", [{"prompt": "login"}, {"max_age": "0"}])
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


class Assertions:
    """Makes assertions of a client."""

    def __init__(self, client_id: str, issuer: str, key: RSAKey) -> None:
        self.key = key
        now = int(time.time())
        self.good = {"iss": client_id, "sub": client_id, "aud": issuer, "exp": now + 60, "iat": now}

    def make(self, **changed: Any) -> str:
        """One with a fresh jti; None takes a claim out."""
        claims = {"jti": ids.uuid7(), **self.good, **changed}
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": "RS256"}, claims, self.key, ["RS256"])


async def test_an_assertion_is_for_us_alone_and_used_once(v1: Application, wire: Wire) -> None:
    key = RSAKey.generate_key(2048)
    jwks = json.dumps({"keys": [key.as_dict(private=False)]})
    client, _ = await add_client(v1.server, jwks=jwks)
    issuer = v1.server.services.settings.issuer
    make = Assertions(client.id, issuer, key).make

    async def use(assertion: str, path: str = "/oauth/token") -> Sent:
        form = {
            **({"grant_type": "client_credentials"} if path == "/oauth/token" else {"token": "x"}),
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
        }
        return await wire.call("POST", path, data=form)

    good = make()
    for path in ("/oauth/token", "/oauth/introspect", "/oauth/revoke"):
        assert (await use(good, path)).status == 200
        assert error(await use(good, path)) == (401, "invalid_client")
        good, used = make(), good
        assert error(await use(used)) == (401, "invalid_client"), path
    assert (await use(good)).status == 200
    bad: list[dict[str, Any]] = [
        {"aud": f"{issuer}/oauth/token"},
        {"aud": [issuer]},
        {"aud": [issuer, "https://other.example"]},
        {"aud": None},
        {"exp": None},
        {"exp": 1},
        {"exp": int(time.time()) + 7200},
        {"exp": "x"},
        {"jti": None},
        {"jti": 7},
        {"iss": "other"},
        {"iss": None},
        {"sub": "other"},
        {"sub": None},
        {"sub": 7},
    ]
    forged = Assertions(client.id, issuer, RSAKey.generate_key(2048)).make()
    for assertion in (good, forged, "x", "a.b.c", "\u00e9", "", *(make(**changed) for changed in bad)):
        assert error(await use(assertion)) == (401, "invalid_client"), assertion


async def test_a_device_never_gets_the_platform(wire: Wire) -> None:
    device = Wire(wire.http, CLI.id)
    sent = await device.post("/oauth/device_authorization", scope="platform:admin")
    assert error(sent) == (400, "invalid_scope")


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


async def test_a_public_client_looks_into_no_token(wire: Wire) -> None:
    """Trap 11, the other way round: public clients give back, and do not look."""
    device = Wire(wire.http, CLI.id)
    assert error(await device.post("/oauth/introspect", token="x")) == (401, "invalid_client")
    assert (await device.post("/oauth/revoke", token="x")).status == 200


async def test_the_metadata_tells_how_clients_prove_themselves_at_each_endpoint(wire: Wire) -> None:
    """RFC 8414, 2: who names private_key_jwt must name its algorithms, for each endpoint."""
    told = (await wire.call("GET", "/.well-known/oauth-authorization-server")).body
    for endpoint in ("token", "revocation", "introspection"):
        methods = told[f"{endpoint}_endpoint_auth_methods_supported"]
        assert "private_key_jwt" in methods
        assert ("none" in methods) is (endpoint != "introspection")
        assert "RS256" in told[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]


async def test_a_client_that_asks_for_somebody_gets_nobody_else(v1: Application, wire: Wire) -> None:
    hint = (await wire.redeem(await wire.code())).body["id_token"]
    assert await wire.code(id_token_hint=hint)
    assert await wire.code(id_token_hint="x")  # what cannot be read asks for nobody
    another = await add_session(v1.server, await add_user(v1.server, "bob@example.com"))
    for prompt in (None, "none"):
        sent = await Wire(wire.http, wire.client_id, wire.secret, another).authorize(id_token_hint=hint, prompt=prompt)
        assert (sent.location, sent.parameters["error"]) == (CALLBACK, "login_required")
        assert "iss" in sent.parameters
