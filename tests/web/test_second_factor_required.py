"""Who must have a second factor, by the settings: they are led to turn it on, and may do nothing else before."""

import re
import time
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from tenantry.model import ids, totp
from tenantry.model.identity import Actor
from tenantry.model.permissions import Permission, Role
from tenantry.model.providers import Identity, identity_id
from tenantry.services.people.factors import Factors
from tenantry.services.people.sessions import Sessions
from tenantry.storage import identities
from tenantry.web.app import ROUTES
from tenantry.web.authentication import SESSION_COOKIE
from tenantry.web.pages.halfway import COOKIE as HALFWAY_COOKIE
from tenantry.web.routes import PLACE, Cookie
from tests.support.application import Application
from tests.support.browsing import browsing, log_in
from tests.support.oauth import add_client, addresses
from tests.support.oauth_http import Wire
from tests.support.people import PASSWORD, add_account, add_member, add_session, add_user, browser, seen
from tests.support.provider import entry, field_of, running_provider, visiting
from tests.support.server import running_server

NOW = time.time()
FACTOR = "/account/mfa"
SEVERAL = ("pwd", "otp", "mfa")
#: pages below these do nothing for who is signed in; /oauth/authorize is tried below
NOBODY = ("/login", "/logout", "/setup/", "/password/", "/sign-up", "/oauth/")


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands still, so that no code's time ends in the middle of a test."""
    monkeypatch.setattr(Factors.__init__, "__kwdefaults__", {"now": lambda: NOW})


def code_of(html: str, steps: int = -1) -> str:
    """What an app shows that was told the secret of a page."""
    (secret,) = re.findall(r"<code>([A-Z2-7]{32})</code>", html)
    return totp.code_of(secret, int(NOW) // totp.STEP_SECONDS + steps)


@pytest.mark.parametrize(
    ("policy", "must"),
    [
        ("Optional", set()),
        ("Administrators", {"platform", "owner", "admin"}),
        ("Everybody", {"platform", "owner", "admin", "developer", "viewer", "nobody"}),
    ],
)
async def test_the_setting_says_who(tmp_path: Path, policy: str, must: set[str]) -> None:
    async with running_server(tmp_path, second_factor=policy) as server, server.session() as session:
        v1 = Application(session, server)
        tenant = (await v1.tenant("acme"))["status"]["tenantID"]
        for who in ("platform", *Role, "nobody"):
            user = await add_user(server, f"{who}@example.com", platform_admin=who == "platform")
            if who in list(Role):
                await add_member(server, tenant, user, Role(who))
            active = tenant if who in list(Role) else ""
            async with browser(server, await add_session(server, user, active)) as weak:
                answer = await weak.get("/v1/me")
                assert (answer.status == 403) == (who in must), who
                assert answer.status == 200 or answer.code == "second_factor_required"
            async with browser(server, await add_session(server, user, active, amr=SEVERAL)) as strong:
                assert (await strong.get("/v1/me")).status == 200


async def test_who_acts_as_an_administrator_elsewhere_must_there_alone(tmp_path: Path) -> None:
    async with running_server(tmp_path, second_factor="Administrators") as server, server.session() as session:
        v1 = Application(session, server)
        user = await add_user(server)
        for name, role in (("acme", Role.VIEWER), ("beta", Role.OWNER)):
            await add_member(server, (await v1.tenant(name))["status"]["tenantID"], user, role)
        async with browser(server, await add_session(server, user)) as api:
            for name, status in (("acme", 200), ("beta", 403)):
                assert (await api.post("/v1/me/tenant", {"tenant": name})).status == 200
                await seen(server)
                assert (await api.get("/v1/me")).status == status


@pytest.mark.slow
async def test_nothing_is_open_before_it_is_turned_on(tmp_path: Path) -> None:
    async with running_server(tmp_path, second_factor="Everybody") as server, browsing(server) as person:
        await add_account(server)
        await log_in(person, "ada@example.com", PASSWORD)
        async with browser(server, person.cookies[SESSION_COOKIE]) as api:
            for route in ROUTES:
                path = PLACE.sub("x", route.path)
                if route.needs in {Permission.PUBLIC, Permission.SIGNED_IN} or route.session is Cookie.IGNORED:
                    continue
                if route.session is Cookie.FORM and route.method == "GET":
                    assert (await person.get(path)).location.startswith(f"{FACTOR}?"), path
                elif route.session is Cookie.COUNTS:
                    assert (await api.call(route.method, path)).code == "second_factor_required", path
        opened = await person.get(FACTOR)
        assert "Turn it on to go on" in opened.text
        assert (await person.post("/account/password", {"csrf": opened.forms[0][1]["csrf"]})).location == FACTOR
        assert (await person.get("/logout")).status == 200
        for route in ROUTES:  # what is public, and would act for whoever is signed in
            path = PLACE.sub("x", route.path)
            if route.needs is Permission.PUBLIC and route.session is Cookie.FORM and not path.startswith(NOBODY):
                sent = {"csrf": opened.forms[0][1]["csrf"]} if route.method == "POST" else None
                answer = await (person.get(path) if sent is None else person.post(path, sent))
                assert answer.location.startswith(f"{FACTOR}?return_to="), path


async def test_an_invite_waits_until_it_is_turned_on(tmp_path: Path) -> None:
    async with running_server(tmp_path, second_factor="Everybody") as server, server.session() as session:
        v1 = Application(session, server)
        await v1.tenant("acme")
        made = await v1.post("/v1/tenants/acme/invites", {"email": "ada@example.com", "role": "owner"})
        path = urlsplit(made.body["link"]).path
        await add_account(server)
        async with browsing(server) as person:
            await log_in(person, "ada@example.com", PASSWORD)
            shown = await person.get(FACTOR)
            assert (await person.post(path, {"csrf": shown.forms[0][1]["csrf"]})).location.startswith(f"{FACTOR}?")
            assert await v1.items("/v1/tenants/acme/members") == []
            page = await person.follow(await person.get(path))
            page = await person.follow(await person.submit(page, password=PASSWORD))
            done = await person.submit(page, code=code_of(page.html))
            assert f'href="{path}">I have kept them' in done.html
            assert (await person.submit(await person.get(path))).location == "/account"
        assert [each["role"] for each in await v1.items("/v1/tenants/acme/members")] == ["owner"]


async def test_a_provider_that_never_tells_when_it_asked_keeps_nobody_out(tmp_path: Path) -> None:
    old = ids.now_micros() - 301 * 1_000_000
    async with running_server(tmp_path, second_factor="Everybody") as server, browsing(server) as person:
        user = await add_user(server)  # without a password
        person.cookies[SESSION_COOKIE] = await add_session(server, user, amr=("fed",), auth_time=0, created_at=old)
        sent = await person.follow(await person.get("/account"))
        assert sent.location == "/login?return_to=%2Faccount%2Fmfa%3Freturn_to%3D%2Faccount"  # asks for no proof
        person.cookies[SESSION_COOKIE] = await add_session(server, user, amr=("fed",), auth_time=0)
        page = await person.follow(await person.submit(await person.get(FACTOR)))
        assert "recovery codes" in (await person.submit(page, code=code_of(page.html))).text
        assert (await person.get("/account")).status == 200


@pytest.mark.slow
async def test_it_is_turned_on_and_leads_to_where_one_wanted(tmp_path: Path) -> None:
    async with running_server(tmp_path, second_factor="Everybody") as server, browsing(server) as person:
        user = await add_account(server)
        await log_in(person, "ada@example.com", PASSWORD)
        page = await person.follow(await person.get("/account/keys?x=1"))
        shown = await person.follow(await person.submit(page, password=PASSWORD))
        assert "Turn it on" in shown.text
        codes = await person.submit(shown, code=code_of(shown.html))
        assert 'href="/account/keys?x=1">I have kept them' in codes.html
        assert (await person.get("/account/keys")).status == 200
        found = await Sessions(server.services.db).list(Actor(name="", user_id=user.id))
        assert [session.amr for session in found] == [SEVERAL]
        off = await person.submit(await person.get(FACTOR), password=PASSWORD)
        assert (await person.follow(off)).location.startswith(f"{FACTOR}?")  # and so it begins again


async def test_who_has_turned_it_on_elsewhere_signs_in_with_it(tmp_path: Path) -> None:
    """A session that was begun without, by a release or in a way that did not ask."""
    async with running_server(tmp_path, second_factor="Everybody") as server, browsing(server) as person:
        user = await add_account(server)
        await log_in(person, "ada@example.com", PASSWORD)
        shown = await person.follow(await person.submit(await person.get(FACTOR), password=PASSWORD))
        await person.submit(shown, code=code_of(shown.html))
        user = await server.services.users.get(user.id)
        person.cookies[SESSION_COOKIE] = await add_session(server, user)
        sent = await person.follow(await person.get("/account"))
        assert sent.location == "/login?return_to=%2Faccount&fresh=1"
        assert "To go on, sign in once more" in (await person.follow(sent)).text


async def test_no_client_gets_anything_before(tmp_path: Path) -> None:
    settings = {**addresses(), "second_factor": "Everybody"}
    async with running_server(tmp_path, **settings) as server, server.session(anonymous=True) as http:
        user = await add_user(server)
        client, secret = await add_client(server, first_party=True)
        weak = Wire(http, client.id, secret, await add_session(server, user))
        sent = await weak.authorize()
        assert sent.location == FACTOR
        assert sent.parameters["return_to"].startswith("/oauth/authorize?client_id=")
        refused = await weak.authorize(prompt="none")
        assert refused.parameters["error"] == "login_required"
        strong = Wire(http, client.id, secret, await add_session(server, user, amr=SEVERAL))
        assert (await strong.authorize()).parameters["code"]


async def test_a_token_shows_by_what_it_was_granted(tmp_path: Path) -> None:
    tokens, settings = [], addresses()
    for policy in ("Optional", "Everybody"):
        async with (
            running_server(tmp_path, **settings, second_factor=policy) as server,
            server.session(anonymous=True) as http,
        ):
            if policy == "Optional":
                user, (client, secret) = await add_user(server), await add_client(server, first_party=True)
                for amr in (("pwd",), SEVERAL):
                    wire = Wire(http, client.id, secret, await add_session(server, user, amr=amr))
                    tokens.append((await wire.redeem(await wire.code())).body["access_token"])
            bearers = [{"Authorization": f"Bearer {token}"} for token in tokens]
            statuses = [(await Wire(http, "").call("GET", "/oauth/userinfo", headers=each)).status for each in bearers]
        assert statuses == ([200, 200] if policy == "Optional" else [401, 200])


@pytest.mark.parametrize("policy", ["Optional", "Everybody"])
async def test_who_comes_from_a_provider_is_asked_for_their_own_factor(tmp_path: Path, policy: str) -> None:
    async with (
        running_provider() as provider,
        running_server(tmp_path, outbound_allow=("127.0.0.1",), second_factor=policy) as server,
        server.session() as session,
        visiting(server) as visitor,
    ):
        assert (await Application(session, server).post("/v1/identity-providers", entry(provider))).status == 201
        user = await add_user(server)  # without a password
        identity = Identity(
            id=identity_id(provider.issuer, "ada-1"), issuer=provider.issuer, subject="ada-1", user_id=user.id
        )
        await server.services.db.run(identities.insert, identity, write=True)
        provider.change_claims = lambda claims: claims.update(auth_time=int(time.time()))
        await visitor.sign_in()
        page = await visitor.get(FACTOR)
        assert ("Turn it on to go on" in page.text, 'name="password"' in page.text) == (policy == "Everybody", False)
        begun = await visitor.post(f"{FACTOR}/enrol", {"csrf": field_of(page, "csrf")})
        page = await visitor.get(begun.location)
        done = await visitor.post(f"{FACTOR}/confirm", {"csrf": field_of(page, "csrf"), "code": code_of(page.text)})
        assert "recovery codes" in done.text
        assert (await visitor.get("/account")).status == 200

        yesterday = int(NOW) - 86_400
        provider.change_claims = lambda claims: claims.update(auth_time=yesterday)
        async with visiting(server) as again:
            asked = await again.sign_in("/login/with/idp?return_to=/account/keys")
            assert SESSION_COOKIE not in again.cookies
            assert asked.location == "/login/mfa?return_to=%2Faccount%2Fkeys"
            form = await again.get(asked.location)
            sent = {"csrf": field_of(form, "csrf"), "return_to": "/account/keys"}
            assert (await again.post("/login/mfa", {**sent, "code": "000000"})).status == 422
            let_in = await again.post("/login/mfa", {**sent, "code": code_of(page.text, 0)})
            assert (let_in.status, let_in.location) == (303, "/account/keys")
            assert (await again.get("/account/keys")).status == 200
        provider.change_claims = lambda claims: claims.update(amr=["pwd", "mfa"], auth_time=int(time.time()))
        async with visiting(server) as third:
            assert (await third.sign_in()).location == "/account"
            assert HALFWAY_COOKIE not in third.cookies
        found = await Sessions(server.services.db).list(Actor(name="", user_id=user.id))
        assert [each.amr for each in found] == [("fed", "pwd", "mfa"), ("fed", "otp", "mfa"), ("fed", "otp", "mfa")]
        assert found[1].auth_time == yesterday * 1_000_000  # the code makes it no sign-in of now


async def test_to_turn_it_on_without_a_password_takes_a_fresh_sign_in(v1: Application) -> None:
    user = await add_user(v1.server)
    old = ids.now_micros() - 301 * 1_000_000
    for auth_time in (old, 0):  # where none is demanded, it must be known when they have signed in
        async with browser(v1.server, await add_session(v1.server, user, auth_time=auth_time)) as api:
            assert (await api.post("/v1/me/mfa:enrol", {"password": ""})).code == "sign_in_again"
    async with browsing(v1.server) as person:
        person.cookies[SESSION_COOKIE] = await add_session(v1.server, user, auth_time=old)
        sent = await person.get(FACTOR)
        assert urlsplit(sent.location).path == "/login"
        assert dict(parse_qsl(urlsplit(sent.location).query)) == {"return_to": FACTOR, "fresh": "1"}
