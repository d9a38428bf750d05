"""Signing in with an identity provider: who is let in, and every lie that is not believed."""

import hmac
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.jwk import RSAKey

from tenantry.model import ids
from tenantry.model.identity import Actor, User, UserStatus
from tenantry.model.providers import Identity, identity_id
from tenantry.services.people.sessions import Sessions
from tenantry.storage import identities, users
from tenantry.web.authentication import SESSION_COOKIE
from tests.support.application import Answer, Application
from tests.support.mailbox import mailbox, until
from tests.support.people import PASSWORD, add_account, add_session, add_user, browser, seen
from tests.support.provider import (
    CLIENT,
    OpenIDProvider,
    Visitor,
    entry,
    field_of,
    handmade,
    running_provider,
    visiting,
)
from tests.support.server import running_server


@dataclass
class World:
    """A server with one provider, and somebody's browser."""

    admin: Application
    provider: OpenIDProvider
    visitor: Visitor

    @property
    def is_signed_in(self) -> bool:
        """Whether the browser has a session."""
        return SESSION_COOKIE in self.visitor.cookies

    async def add_identity(self, user: User, subject: str = "ada-1") -> None:
        """Make `subject` at the provider one of the user's identities."""
        issuer, now = self.provider.issuer, ids.now_micros()
        identity = Identity(
            id=identity_id(issuer, subject), issuer=issuer, subject=subject, user_id=user.id, created_at=now
        )  # fmt: skip
        assert await self.admin.server.services.db.run(identities.insert, identity, write=True)

    async def refused(self, path: str = "/login/with/idp", *, why: str, note: str = "", is_told: bool = True) -> None:
        """See that who signs in is told why they are not, that the audit log has it, and that nobody has a session."""
        await self.refused_at(await self.visitor.leave(path), why=why, note=note, is_told=is_told)

    async def refused_at(self, url: str, *, why: str, note: str = "", is_told: bool = True) -> None:
        """The same of who comes back at `url`; what is wrong between us and the provider is not told."""
        page = await self.visitor.get(url)
        assert (page.status, "Not signed in" in page.text, why in page.text) == (403, True, is_told), (note, page.text)
        assert is_told or "Example could not be used to sign you in" in page.text, note
        assert not self.is_signed_in, note
        await self.admin.server.services.audit.close()
        rows = await self.admin.items("/v1/audit?action=session.begin")
        assert (rows[0]["result"], why in rows[0]["message"]) == ("denied", True), (note, rows[0])


@pytest.fixture
async def provider() -> AsyncIterator[OpenIDProvider]:
    async with running_provider() as found:
        yield found


@pytest.fixture
async def world(tmp_path: Path, provider: OpenIDProvider) -> AsyncIterator[World]:
    async with (
        running_server(tmp_path, outbound_allow=("127.0.0.1",)) as server,
        server.session() as session,
        visiting(server) as visitor,
    ):
        admin = Application(session, server)
        made = await admin.post("/v1/identity-providers", entry(provider, autoProvision=True))
        assert made.status == 201, made.body
        yield World(admin, provider, visitor)


async def test_who_is_known_is_let_in(world: World) -> None:
    user = await add_user(world.admin.server)
    await world.add_identity(user)
    page = await world.visitor.sign_in("/login/with/idp?return_to=/account/here")
    assert (page.status, page.location) == (303, "/account/here")
    async with browser(world.admin.server, world.visitor.cookies[SESSION_COOKIE]) as api:
        assert (await api.get("/v1/me")).body["name"] == f"user:{user.id}"
        listed = (await api.get("/v1/me/identities")).body["items"]
    assert [(each["issuer"], each["subject"], each["email"]) for each in listed] == [
        (world.provider.issuer, "ada-1", "ada@example.com")
    ]
    row = (await world.admin.items("/v1/audit?action=session.begin"))[0]
    assert (row["actor"], row["message"]) == (f"user:{user.id}", "fed")


async def test_how_they_proved_it_is_the_sessions(world: World) -> None:
    user = await add_user(world.admin.server)
    await world.add_identity(user)
    _says("claims", amr=["pwd", "otp", "<b>", 1])(world.provider)
    await world.visitor.sign_in()
    found = await Sessions(world.admin.server.services.db).list(_actor(user))
    assert [session.amr for session in found] == [("fed", "pwd", "otp")]


async def test_an_old_session_ends_with_the_new_one(world: World) -> None:
    user = await add_user(world.admin.server)
    await world.add_identity(user)
    old = world.visitor.cookies[SESSION_COOKIE] = await add_session(world.admin.server, user)
    await world.visitor.sign_in()
    assert world.visitor.cookies[SESSION_COOKIE] != old
    assert len(await Sessions(world.admin.server.services.db).list(_actor(user))) == 1


async def test_who_is_new_becomes_a_user_where_that_is_allowed(world: World) -> None:
    page = await world.visitor.sign_in()
    assert page.status == 303, page.text
    user = await world.admin.server.services.db.run(users.find, "ada@example.com")
    assert user
    assert (user.name, user.password_hash, user.platform_admin) == ("Ada", "", False)
    assert [row["name"] for row in await world.admin.items("/v1/audit?action=user.provision")] == [user.id]
    await world.visitor.sign_in()
    assert len(await world.admin.items("/v1/audit?action=user.provision")) == 1


async def test_and_nowhere_else(world: World) -> None:
    changed = await world.admin.call("PATCH", "/v1/identity-providers/idp", {"autoProvision": False})
    assert changed.status == 200, changed.body
    await world.refused(why="ask for an invite")
    assert await world.admin.server.services.db.run(users.find, "ada@example.com") is None


async def test_an_address_that_nobody_has_verified_makes_no_user(world: World) -> None:
    for verified in (False, None, "true", 1):
        world.provider.person["email_verified"] = verified
        await world.refused(why="does not vouch for your e-mail address")


async def test_what_is_verified_is_the_address_that_it_is_said_of(world: World) -> None:
    """A provider may let people write any address into the token, and tell the one that it has verified elsewhere."""
    _says("claims", email="boss@example.com")(world.provider)
    assert (await world.visitor.sign_in()).status == 303
    assert await world.admin.server.services.db.run(users.find, "boss@example.com") is None
    assert await world.admin.server.services.db.run(users.find, "ada@example.com")


async def test_an_account_is_never_taken_over_by_an_address(world: World) -> None:
    user = await add_user(world.admin.server)
    await world.refused(why="sign in to it as you did before")
    assert not await world.admin.server.services.db.run(identities.of_user, user.id)


async def test_an_account_that_has_not_proved_its_address_is_in_nobodys_way(world: World) -> None:
    user = await add_user(world.admin.server, email_verified=False)
    assert (await world.visitor.sign_in()).status == 303
    found = await world.admin.server.services.db.run(users.find, "ada@example.com")
    assert found
    assert found.id != user.id
    assert not await world.admin.server.services.db.run(identities.of_user, user.id)


async def test_only_who_has_an_address_of_the_domains_is_let_in(world: World) -> None:
    await world.admin.call("PATCH", "/v1/identity-providers/idp", {"emailDomains": ["Example.org"]})
    await world.add_identity(await add_user(world.admin.server))
    await world.refused(why="verified e-mail address of example.org")
    world.provider.person["email"] = "ada@Example.ORG"
    assert (await world.visitor.sign_in()).status == 303


async def test_a_disabled_user_stays_out(world: World) -> None:
    await world.add_identity(await add_user(world.admin.server, status=UserStatus.DISABLED))
    await world.refused(why="account is disabled")


Lie = Callable[[OpenIDProvider], None]


def _says(part: str, **changes: Any) -> Lie:
    """Change what the provider says in `part`; None takes it out."""

    def tell(said: dict[str, Any]) -> None:
        said.update(changes)
        for name in [name for name, value in said.items() if value is None]:
            del said[name]

    return lambda provider: setattr(provider, f"change_{part}", tell)


def _says_times(**offsets: int) -> Lie:
    """Change times in the id_token to so many seconds from now."""
    return _says("claims", **{name: int(time.time()) + each for name, each in offsets.items()})


def _signs(sign: Callable[[OpenIDProvider, dict[str, Any]], str]) -> Lie:
    """Make the id_token another way."""

    def tell(provider: OpenIDProvider) -> None:
        provider.sign = lambda claims: sign(provider, claims)

    return tell


def _with_public_key(provider: OpenIDProvider, claims: dict[str, Any]) -> str:
    """HS256, with the public key as the secret that everybody knows."""
    secret = provider.key.as_pem(private=False)
    return handmade({"alg": "HS256", "kid": "one"}, claims, lambda body: hmac.digest(secret, body, "sha256"))


def _with_another_key(_: OpenIDProvider, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "RS256", "kid": "one"}, claims, RSAKey.generate_key(2048))


def _with_a_key_in_the_header(provider: OpenIDProvider, claims: dict[str, Any]) -> str:
    header = {"alg": "RS256", "kid": "one", "jwk": provider.key.as_dict(private=False)}
    key = provider.key.private_key
    assert key
    return handmade(header, claims, lambda body: key.sign(body, PKCS1v15(), SHA256()))


ELSEWHERE = "https://idp.example"
#: lie -> how it is told, and what is said of it
LIES: dict[str, tuple[Lie, str]] = {
    "another iss": (_says("claims", iss=ELSEWHERE), "id_token is of the issuer"),
    "no iss": (_says("claims", iss=None), "id_token is of the issuer"),
    "another aud": (_says("claims", aud="another"), "for another client"),
    "another aud and azp us": (_says("claims", aud=["another"], azp=CLIENT), "for another client"),
    "no aud": (_says("claims", aud=None), "for another client"),
    "several aud and no azp": (_says("claims", aud=[CLIENT, "another"]), "issued to another client"),
    "another azp": (_says("claims", azp="another"), "issued to another client"),
    "alg none": (_signs(lambda _, claims: handmade({"alg": "none"}, claims)), "which is not taken"),
    "alg nOnE": (_signs(lambda _, claims: handmade({"alg": "nOnE"}, claims)), "which is not taken"),
    "HS256 with the public key": (_signs(_with_public_key), "which is not taken"),
    "a key that is not in the key set": (_signs(lambda p, claims: p.token(claims, kid="two")), "not in its key set"),
    "another key of the same name": (_signs(_with_another_key), "signature of its id_token is wrong"),
    "a key in the header": (_signs(_with_a_key_in_the_header), "no signed JWT"),
    "the address of a key in the header": (
        _signs(lambda p, claims: p.token(claims, jku=f"{p.issuer}/jwks")),
        "header of its id_token has",
    ),
    "an access token": (_signs(lambda p, claims: p.token(claims, typ="at+jwt")), "header of its id_token has"),
    "no JWT": (_signs(lambda _p, _c: "not.a.token"), "is no signed JWT"),
    "another nonce": (_says("claims", nonce="stale"), "the nonce is not ours"),
    "no nonce": (_says("claims", nonce=None), "the nonce is not ours"),
    "expired": (_says_times(iat=-50, exp=-61), "has expired"),
    "no exp": (_says("claims", exp=None), "from when until when"),
    "exp is a word": (_says("claims", exp="tomorrow"), "from when until when"),
    "no iat": (_says("claims", iat=None), "from when until when"),
    "older than the sign-in": (_says_times(iat=-3600), "not issued for this sign-in"),
    "of the future": (_says_times(iat=3600, exp=7200), "not issued for this sign-in"),
    "not yet good": (_says_times(nbf=3600), "not good yet"),
    "exp beyond all numbers": (_says("claims", exp=10**400), "from when until when"),
    "no sub": (_says("claims", sub=None), "names no subject"),
    "sub has a NUL": (_says("claims", sub="a\0"), "names no subject"),
    "an access token that is no text": (
        _says("tokens", access_token="\ud800"),
        "access token cannot be sent",
    ),
    "sub is a number": (_says("claims", sub=1), "names no subject"),
    "the at_hash of another token": (_says("claims", at_hash="AAAAAAAAAAAAAAAAAAAAAA"), "another access token"),
    "userinfo of another sub": (_says("userinfo", sub="mallory"), "tells of somebody else"),
    "userinfo without a sub": (_says("userinfo", sub=None), "tells of somebody else"),
    "another iss in the callback": (_says("callback", iss=ELSEWHERE), "the answer is another provider"),
    "no iss in the callback": (_says("callback", iss=None), "the answer is another provider"),
    "an error": (_says("callback", code=None, error="access_denied"), "did not sign you in (access_denied)"),
    "an error that is HTML": (_says("callback", code=None, error="<script>"), "did not sign you in (unknown)"),
    "no code": (_says("callback", code=None), "did not say who you are"),
    "no id_token": (_says("tokens", id_token=None), "has no id_token"),
    "a token of another type": (_says("tokens", token_type="DPoP"), "no bearer token"),
    "ways to prove oneself that are no list": (
        _says("metadata", token_endpoint_auth_methods_supported=5),
        "answer to the code came with the status",
    ),
    "an endpoint in the cluster": (_says("metadata", token_endpoint="http://10.0.0.1/token"), "no public address"),
}


async def test_no_lie_is_believed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenantry.services.federation.oidc.METADATA_SECONDS", 0.0)
    await world.add_identity(await add_user(world.admin.server))
    for lie, (tell, why) in LIES.items():
        world.provider.be_honest()
        tell(world.provider)
        await world.refused(why=why, note=lie, is_told=why.startswith("did not "))
    world.provider.be_honest()
    assert (await world.visitor.sign_in()).status == 303


async def test_an_issuer_that_was_not_announced_counts_too(world: World) -> None:
    await world.add_identity(await add_user(world.admin.server))
    _says("metadata", authorization_response_iss_parameter_supported=None)(world.provider)
    _says("callback", iss=ELSEWHERE)(world.provider)
    await world.refused(why="the answer is another provider", is_told=False)
    _says("callback", iss=None)(world.provider)
    assert (await world.visitor.sign_in()).status == 303


async def test_a_token_for_several_of_which_we_are_the_one_is_taken(world: World) -> None:
    await world.add_identity(await add_user(world.admin.server))
    _says("claims", aud=["another", CLIENT], azp=CLIENT)(world.provider)
    assert (await world.visitor.sign_in()).status == 303


async def test_a_foreign_discovery_document_sends_nobody_anywhere(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    _says("metadata", issuer=ELSEWHERE)(world.provider)
    page = await world.visitor.press("/login/with/idp")
    assert page.status == 503
    assert "cannot be used at this moment: try later." in page.text
    assert "of another issuer" in caplog.text  # why is for who runs the server
    assert "issuer" not in page.text


async def test_what_is_wrong_with_a_provider_is_told_in_the_log_by_the_request(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenantry.services.federation.oidc.METADATA_SECONDS", 0.0)
    url = await world.visitor.leave("/login/with/idp")
    _says("metadata", token_endpoint="http://10.1.2.3/token")(world.provider)
    caplog.set_level(logging.INFO, "tenantry.services.federation.sign_in")
    page = await world.visitor.get(url)
    assert not [word for word in ("10.1.2.3", "TENANTRY", "token_endpoint") if word in page.text], page.text
    request_id = page.text.partition("Request ")[2].partition("<")[0]
    await world.admin.server.services.audit.close()
    (row, *_) = await world.admin.items("/v1/audit?action=session.begin")
    assert (row["requestID"], "10.1.2.3 is no public address" in row["message"]) == (request_id, True)
    assert "10.1.2.3 is no public address" in caplog.text


async def test_a_sign_in_works_once(world: World) -> None:
    await world.add_identity(await add_user(world.admin.server))
    url = await world.visitor.leave("/login/with/idp")
    assert (await world.visitor.get(url)).status == 303
    tokens = world.provider.asked.count("/token")
    del world.visitor.cookies[SESSION_COOKIE]
    page = await world.visitor.get(url)
    assert page.status == 403
    assert "begin again" in page.text
    assert not world.is_signed_in
    assert world.provider.asked.count("/token") == tokens


async def test_a_code_works_once(world: World) -> None:
    await world.add_identity(await add_user(world.admin.server))
    first = await world.visitor.leave("/login/with/idp")
    second = await world.visitor.leave("/login/with/idp")
    code = first.partition("code=")[2].partition("&")[0]
    stolen = second.replace(second.partition("code=")[2].partition("&")[0], code)
    await world.refused_at(stolen, why="invalid_grant", is_told=False)  # the code is of another sign-in, by PKCE


async def test_a_sign_in_belongs_to_its_browser(world: World) -> None:
    await world.add_identity(await add_user(world.admin.server))
    async with visiting(world.admin.server) as mallory:
        url = await mallory.leave("/login/with/idp")
    for cookies in ({}, {"__Host-tenantry-login": "guessed"}):
        world.visitor.cookies = dict(cookies)
        page = await world.visitor.get(url)
        assert page.status == 403
        assert "not begun in this browser" in page.text
    await world.visitor.leave("/login/with/idp")
    await world.refused_at(url, why="not begun in this browser")


async def test_two_tabs_of_a_browser_can_sign_in(world: World) -> None:
    await world.add_identity(await add_user(world.admin.server))
    tabs = [await world.visitor.leave("/login/with/idp") for _ in range(2)]
    assert [(await world.visitor.get(url)).status for url in tabs] == [303, 303]


async def test_an_answer_of_one_provider_is_none_of_another(world: World) -> None:
    await world.add_identity(await add_user(world.admin.server))
    await world.admin.post("/v1/identity-providers", entry(world.provider, name="other"))
    url = await world.visitor.leave("/login/with/idp")
    await world.refused_at(url.replace("/with/idp/", "/with/other/"), why="begin again")


async def test_nobody_comes_back_who_did_not_leave(world: World) -> None:
    for query in ("", "?code=x", "?state=&code=x", "?state=%00&code=x", "?state=%C3%A9", "?state=%FF", "?iss=x"):
        assert (await world.visitor.get(f"/login/with/idp/callback{query}")).status == 403, query
    assert (await world.visitor.get("/login/with/idp/callback?state=a&state=b")).status == 400
    assert (await world.visitor.get("/login/with/nobody/callback?state=a")).status == 404
    assert (await world.visitor.press("/login/with/nobody")).status == 404


async def test_no_link_begins_a_sign_in(world: World) -> None:
    await world.add_identity(await add_user(world.admin.server))
    for method in (world.visitor.get, lambda path: world.visitor.post(path, {})):
        page = await method("/login/with/idp")
        assert page.status in {403, 405}
        assert world.provider.issuer not in page.text + page.location
    login = await world.visitor.get("/login")
    elsewhere = await world.visitor.post("/login/with/idp", {"csrf": "0" * 64})
    assert (elsewhere.status, world.provider.issuer in elsewhere.text) == (403, False)
    assert 'action="/login/with/idp"' in login.text


async def test_nobody_is_sent_elsewhere(world: World) -> None:
    await world.add_identity(await add_user(world.admin.server))
    for away in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/%0d%0aX:1"):
        page = await world.visitor.sign_in(f"/login/with/idp?return_to={away}")
        assert (page.status, page.location) == (303, "/account"), away


@pytest.mark.parametrize("name", ["two", "one"])
async def test_a_new_key_of_the_provider_is_fetched(world: World, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    await world.add_identity(await add_user(world.admin.server))
    assert (await world.visitor.sign_in()).status == 303
    world.provider.key = RSAKey.generate_key(2048, {"kid": name})
    monkeypatch.setattr("tenantry.services.federation.oidc.NEW_KEY_SECONDS", 0.0)
    assert (await world.visitor.sign_in()).status == 303


def session_of(answer: Answer) -> str:
    """The session that an answer brings."""
    return SimpleCookie(answer.headers["Set-Cookie"])[SESSION_COOKIE].value


async def signed_in(world: World, **columns: Any) -> User:
    """A user whose session the visitor has."""
    user = await add_account(world.admin.server, **columns)
    world.visitor.cookies[SESSION_COOKIE] = await add_session(world.admin.server, user)
    return user


@pytest.mark.slow
async def test_an_identity_is_linked_by_who_says_their_password(world: World) -> None:
    user = await signed_in(world, email="ada@home.example")
    before, other = world.visitor.cookies[SESSION_COOKIE], await add_session(world.admin.server, user)
    async with browser(world.admin.server, before) as api:
        href = (await api.post("/v1/me/identities", {"provider": "idp"})).body["href"]
        assert (await api.post("/v1/me/identities", {"provider": "nobody"})).status == 404
    for wrong in ("", "wrong"):
        refused = await world.visitor.add(href, password=wrong)
        assert (refused.status, "Is not your password" in refused.text) == (422, True)
        assert world.provider.issuer not in refused.text
    page = await world.visitor.get(await world.visitor.go_on(await world.visitor.add(href, password=PASSWORD)))
    assert (page.status, page.location) == (303, "/account")
    await seen(world.admin.server)
    for cookie in (before, other):
        async with browser(world.admin.server, cookie) as ended:
            assert (await ended.get("/v1/me")).status == 401
    async with browser(world.admin.server, world.visitor.cookies[SESSION_COOKIE]) as api:
        linked = (await api.get("/v1/me/identities")).body["items"]
        assert [each["subject"] for each in linked] == ["ada-1"]
        again = await world.visitor.go_on(await world.visitor.add(href, password=PASSWORD))
        assert (await world.visitor.get(again)).location == "/account"  # once more is no harm
        gone = await api.call("DELETE", f"/v1/me/identities/{linked[0]['id']}")
        assert gone.status == 200
        await seen(world.admin.server)
        assert (await api.get("/v1/me")).status == 401  # it has another cookie now
    async with browser(world.admin.server, session_of(gone)) as api:
        assert (await api.get("/v1/me/identities")).body["items"] == []
        assert (await api.call("DELETE", f"/v1/me/identities/{linked[0]['id']}")).status == 404
    actions = [row["action"] for row in await world.admin.items("/v1/audit?kind=Identity")]
    assert actions == ["identity.unlink", "identity.link"]


async def test_who_has_no_password_adds_a_provider_after_a_fresh_sign_in(world: World) -> None:
    user = await add_user(world.admin.server, "ada@home.example")
    old = ids.now_micros() - 6 * 60 * 1_000_000
    for auth_time in (old, ids.now_micros()):
        world.visitor.cookies[SESSION_COOKIE] = await add_session(world.admin.server, user, auth_time=auth_time)
        page = await world.visitor.get("/account/identities/add?provider=idp")
        if auth_time == old:
            assert page.location == "/login?return_to=%2Faccount%2Fidentities%2Fadd%3Fprovider%3Didp&fresh=1"
            csrf = field_of(await world.visitor.get("/account"), "csrf")
            sent = await world.visitor.post("/account/identities/add", {"csrf": csrf, "provider": "idp"})
            assert (sent.status, sent.location) == (303, "/login?return_to=%2Faccount&fresh=1")
    back = await world.visitor.go_on(await world.visitor.add("/account/identities/add?provider=idp"))
    assert (await world.visitor.get(back)).location == "/account"
    assert [each.subject for each in await world.admin.server.services.db.run(identities.of_user, user.id)] == ["ada-1"]


async def test_a_provider_asks_again_where_a_sign_in_must_be_fresh(world: World) -> None:
    user = await add_user(world.admin.server, "ada@home.example")
    await world.add_identity(user)
    assert (await world.visitor.get("/device")).location == "/login?return_to=%2Fdevice&fresh=1"  # once is enough
    assert (await world.visitor.get("/account")).location == "/login?return_to=%2Faccount"
    assert (await world.visitor.sign_in()).status == 303
    add = await world.visitor.get("/account/identities/add?provider=idp")
    sent = await world.visitor.get("/device")
    for each in (add, sent):  # that sign-in may have been hours ago
        assert (each.status, "&fresh=1" in each.location) == (303, True)
    page = await world.visitor.get(sent.location)
    assert ("prove once more who you are" in page.text, field_of(page, "fresh")) == (True, "1")
    for fresh in ("", "&fresh=1"):  # whoever leaves the word out gets nowhere
        assert (await world.visitor.sign_in(f"/login/with/idp?return_to=/device{fresh}")).location == "/device"
        assert ("Connect a device" in (await world.visitor.get("/device")).text) is bool(fresh)


async def test_a_provider_that_does_not_ask_again_is_told_of(world: World) -> None:
    await world.add_identity(await add_user(world.admin.server))
    now = int(time.time())
    for told, why in (
        (None, "does not tell when it asked who you are: sign out there and try again, or sign in here another way"),
        (now - 3600, "has let you in without asking again who you are"),
        (now + 3600, "does not tell when"),
        ("now", "does not tell when"),
        (True, "does not tell when"),
        (10**400, "does not tell when"),
    ):
        _says("claims", auth_time=told)(world.provider)
        _says("userinfo", auth_time=now + 1)(world.provider)
        await world.refused("/login/with/idp?return_to=/device&fresh=1", why=why, note=str(told))
        assert (await world.visitor.sign_in()).status == 303, told  # which other pages do not mind
        assert (await world.visitor.get("/device")).status == 303, told
        world.visitor.cookies.pop(SESSION_COOKIE)


async def test_when_a_provider_asked_is_when_somebody_has_signed_in(world: World) -> None:
    user = await add_user(world.admin.server)
    await world.add_identity(user)
    for told in (1_700_000_000, None):
        _says("claims", auth_time=told)(world.provider)
        assert (await world.visitor.sign_in()).status == 303
        [session, *_] = await world.admin.server.services.sessions.list(_actor(user))
        assert session.auth_time == (told or 0) * 1_000_000
        async with browser(world.admin.server, world.visitor.cookies[SESSION_COOKIE]) as api:
            assert (await api.get("/v1/me")).body["signedIn"]["at"] > "2026"  # here it was now


async def test_no_other_site_and_no_other_session_links_anything(world: World) -> None:
    user = await signed_in(world)
    path = "/account/identities/add"
    for fields in ({}, {"csrf": "0" * 64}):
        page = await world.visitor.post(path, {"provider": "idp", "password": PASSWORD, **fields})
        assert (page.status, world.provider.issuer in page.text) == (403, False)
    url = await world.visitor.go_on(await world.visitor.add(f"{path}?provider=idp", password=PASSWORD))
    world.visitor.cookies[SESSION_COOKIE] = await add_session(world.admin.server, user)
    page = await world.visitor.get(url)
    assert page.status == 403
    assert "session in which this was begun" in page.text
    assert not await world.admin.server.services.db.run(identities.of_user, user.id)


async def test_what_is_anothers_cannot_be_linked(world: World) -> None:
    await world.add_identity(await add_user(world.admin.server))
    mallory = await signed_in(world, email="mallory@example.com")
    url = await world.visitor.go_on(await world.visitor.add("/account/identities/add?provider=idp", password=PASSWORD))
    page = await world.visitor.get(url)
    assert page.status == 403
    assert "belongs to another account" in page.text
    assert not await world.admin.server.services.db.run(identities.of_user, mallory.id)


async def test_the_last_way_to_sign_in_stays(world: World) -> None:
    user = await add_user(world.admin.server)
    await world.add_identity(user)
    await world.add_identity(user, "ada-2")
    one, two = (identity_id(world.provider.issuer, subject) for subject in ("ada-1", "ada-2"))
    async with browser(world.admin.server, await add_session(world.admin.server, user)) as api:
        gone = await api.call("DELETE", f"/v1/me/identities/{one}")
        assert gone.status == 200
    async with browser(world.admin.server, session_of(gone)) as api:
        refused = await api.call("DELETE", f"/v1/me/identities/{two}")
        assert (refused.status, refused.code) == (409, "conflict")


async def test_who_accepts_an_invite_may_become_a_user(world: World, tmp_path: Path) -> None:
    await world.admin.call("PATCH", "/v1/identity-providers/idp", {"autoProvision": False})
    await world.admin.tenant("acme")
    made = await world.admin.post("/v1/tenants/acme/invites", {"email": "ada@work.example", "role": "developer"})
    assert made.status == 201, made.body
    page = urlsplit(made.body["link"]).path
    mistyped = page[:-1] + ("1" if page.endswith("0") else "0")
    await world.refused(f"/login/with/idp?return_to={mistyped}", why="ask for an invite")
    back = await world.visitor.leave(f"/login/with/idp?return_to={page}")
    files = b"".join(file.read_bytes() for file in (tmp_path / "data").glob("tenantry.db*"))
    assert page.rpartition("/")[2].encode() not in files
    arrived = await world.visitor.get(back)
    assert (arrived.status, arrived.location) == (303, page)
    assert "Join as ada@example.com" in (await world.visitor.get(page)).text


async def test_where_everybody_may_sign_up_a_stranger_becomes_a_user(tmp_path: Path, provider: OpenIDProvider) -> None:
    async with (
        running_server(tmp_path, outbound_allow=("127.0.0.1",), sign_up="Open") as server,
        server.session() as session,
        visiting(server) as visitor,
    ):
        await Application(session, server).post("/v1/identity-providers", entry(provider))
        assert (await visitor.sign_in()).status == 303
        assert await server.services.db.run(users.find, "ada@example.com")


async def test_the_login_page_has_a_button(world: World) -> None:
    page = await world.visitor.get("/login?return_to=/here")
    assert 'action="/login/with/idp"' in page.text
    assert field_of(page, "return_to") == "/here"
    assert "Sign in with Example" in page.text
    assert (await world.visitor.sign_in("/login/with/idp?return_to=%2Fhere")).location == "/here"


async def test_the_accounts_page_adds_and_removes(tmp_path: Path, provider: OpenIDProvider) -> None:
    with mailbox(tmp_path) as box:
        async with (
            running_server(tmp_path, outbound_allow=("127.0.0.1",), **box.settings) as server,
            server.session() as session,
            visiting(server) as visitor,
        ):
            world = World(Application(session, server), provider, visitor)
            await world.admin.post("/v1/identity-providers", entry(provider))
            user = await signed_in(world, email="ada@home.example")
            page = await visitor.get("/account")
            assert "Add Example" in page.text
            href = "/account/identities/add" + page.text.partition('href="/account/identities/add')[2].partition('"')[0]
            back = await visitor.go_on(await visitor.add(href, password=PASSWORD))
            assert (await visitor.get(back)).location == "/account"
            page = await visitor.get("/account")
            assert "ada@example.com" in page.text
            fields = {name: field_of(page, name) for name in ("csrf", "identity")}
            removed = await visitor.post("/account/identities/remove", fields)
            assert (removed.status, removed.location) == (303, "/account")
            assert "ada@example.com" not in (await visitor.get("/account")).text
            assert not await server.services.db.run(identities.of_user, user.id)
            await until(lambda: len(box.mails) == 2)
            told = sorted(str(mail.get_content()) for mail in box.mails)
            assert {mail["To"] for mail in box.mails} == {"ada@home.example"}
            assert "You can sign in with Example now. You were signed out everywhere else." in told[0]
            assert f"You cannot sign in as ada@example.com at {provider.issuer} any more." in told[1]


async def test_nothing_of_it_is_in_the_database(world: World, tmp_path: Path) -> None:
    url = await world.visitor.leave("/login/with/idp")
    cookie = world.visitor.cookies["__Host-tenantry-login"]
    assert (await world.visitor.get(url)).status == 303
    code = url.partition("code=")[2].partition("&")[0]
    files = b"".join(file.read_bytes() for file in (tmp_path / "data").glob("tenantry.db*"))
    for secret in (cookie, code, "s3cret", world.visitor.cookies[SESSION_COOKIE]):
        assert secret.encode() not in files


def _actor(user: User) -> Actor:
    return Actor(name=f"user:{user.id}", user_id=user.id)
