"""An OpenID provider for tests that keeps to the standard until it is told to lie, and a browser that goes there.

Everybody who comes is signed in at once, as `person`, who proved an hour ago who they are, or does it now if asked to.
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

import aiohttp
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.support.server import RunningServer

CLIENT, SECRET = "tenantry", "s3cret: of/the client"
HOUR = 3600  # seconds

Change = Callable[[dict[str, Any]], None]


def _as_it_is(_: dict[str, Any]) -> None:
    pass


@cache
def _first_key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})


@dataclass
class OpenIDProvider:
    """What it says can be changed before it says it."""

    issuer: str = ""
    key: RSAKey = field(default_factory=_first_key)
    person: dict[str, Any] = field(
        default_factory=lambda: {"sub": "ada-1", "email": "ada@example.com", "email_verified": True, "name": "Ada"}
    )
    change_metadata: Change = _as_it_is
    change_callback: Change = _as_it_is
    change_claims: Change = _as_it_is
    change_userinfo: Change = _as_it_is
    change_tokens: Change = _as_it_is
    sign: Callable[[dict[str, Any]], str] | None = None
    asked: list[str] = field(default_factory=list)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def metadata(self) -> dict[str, Any]:
        """Its discovery document."""
        document: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "authorization_response_iss_parameter_supported": True,
            "id_token_signing_alg_values_supported": ["RS256", "none", "HS256"],
        }
        self.change_metadata(document)
        return document

    def be_honest(self) -> None:
        """Keep to the standard again."""
        self.change_metadata = self.change_callback = self.change_claims = _as_it_is
        self.change_userinfo = self.change_tokens = _as_it_is
        self.sign = None

    def token(self, claims: dict[str, Any], **header: Any) -> str:
        """An id_token with these claims, as its own key signs it."""
        return jwt.encode({"alg": "RS256", "kid": self.key.kid, **header}, claims, self.key)

    async def discover(self, request: web.Request) -> web.Response:
        """The discovery document."""
        self.asked.append(request.path)
        return web.json_response(self.metadata())

    async def publish(self, request: web.Request) -> web.Response:
        """The key set."""
        self.asked.append(request.path)
        return web.json_response({"keys": [self.key.as_dict(private=False)]})

    async def authorize(self, request: web.Request) -> web.Response:
        """Sign the person in and send them back."""
        query = dict(request.query)
        assert (query["response_type"], query["client_id"]) == ("code", CLIENT)
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(8)
        self._codes[code] = query
        answer: dict[str, Any] = {"code": code, "state": query["state"], "iss": self.issuer}
        self.change_callback(answer)
        sent = {name: value for name, value in answer.items() if value is not None}
        return web.Response(status=302, headers={"Location": f"{query['redirect_uri']}?{urlencode(sent)}"})

    async def exchange(self, request: web.Request) -> web.Response:
        """Tokens for a code, once."""
        self.asked.append(request.path)
        form = dict(parse_qsl(await request.text()))
        scheme, _, pair = request.headers["Authorization"].partition(" ")
        user, _, password = base64.b64decode(pair).decode().partition(":")
        asked = self._codes.pop(form["code"], None)
        challenge = _encode(hashlib.sha256(form["code_verifier"].encode()).digest())
        if (
            (scheme, unquote_plus(user), unquote_plus(password)) != ("Basic", CLIENT, SECRET)
            or asked is None
            or form["redirect_uri"] != asked["redirect_uri"]
            or challenge != asked["code_challenge"]
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = int(time.time())
        claims: dict[str, Any] = {"iss": self.issuer, "aud": CLIENT, "sub": self.person["sub"]}
        claims |= {"nonce": asked["nonce"], "iat": now, "exp": now + 300}
        if "max_age" in asked:
            claims["auth_time"] = now if int(asked["max_age"]) < HOUR else now - HOUR
        self.change_claims(claims)
        claims = {name: value for name, value in claims.items() if value is not None}
        tokens = {"access_token": "opaque", "token_type": "Bearer", "id_token": (self.sign or self.token)(claims)}
        self.change_tokens(tokens)
        return web.json_response(tokens)

    async def tell(self, request: web.Request) -> web.Response:
        """Who has signed in."""
        self.asked.append(request.path)
        assert request.headers["Authorization"] == "Bearer opaque"
        person = dict(self.person)
        self.change_userinfo(person)
        return web.json_response(person)


@asynccontextmanager
async def running_provider() -> AsyncIterator[OpenIDProvider]:
    """A provider on loopback."""
    provider = OpenIDProvider()
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", provider.discover)
    app.router.add_get("/jwks", provider.publish)
    app.router.add_get("/authorize", provider.authorize)
    app.router.add_post("/token", provider.exchange)
    app.router.add_get("/userinfo", provider.tell)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    provider.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield provider
    finally:
        await runner.cleanup()


@dataclass(frozen=True, slots=True)
class Page:
    """What a browser shows, or where it is sent."""

    status: int
    text: str
    location: str


@dataclass
class Visitor:
    """A browser that keeps the cookies of our server and follows nothing by itself."""

    session: aiohttp.ClientSession
    base_url: str
    cookies: dict[str, str] = field(default_factory=dict)

    async def get(self, url: str) -> Page:
        """Open a page of ours, which may be a path, or of the provider, which sees no cookie of ours."""
        return await self._ask("GET", url)

    async def post(self, path: str, fields: dict[str, str]) -> Page:
        """Send the fields of a form of ours."""
        return await self._ask("POST", path, data=fields, Origin=self.base_url)

    async def _ask(self, method: str, url: str, *, data: dict[str, str] | None = None, **headers: str) -> Page:
        ours = not urlsplit(url).netloc or url.startswith(self.base_url)
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if ours and cookies:
            headers["Cookie"] = cookies
        target = url if urlsplit(url).netloc else self.base_url + url
        async with self.session.request(method, target, data=data, headers=headers, allow_redirects=False) as answer:
            for line in answer.headers.getall("Set-Cookie", []) if ours else ():
                for name, morsel in SimpleCookie(line).items():
                    assert (morsel["secure"], morsel["httponly"], morsel["samesite"]) == (True, True, "Lax")
                    self.cookies[name] = morsel.value
            return Page(answer.status, await answer.text(), answer.headers.get("Location", ""))

    async def press(self, path: str) -> Page:
        """Press the button of the login page that has `path`, after a `?` with the parameters of that page."""
        action, _, query = path.partition("?")
        csrf = field_of(await self.get(f"/login?{query}"), "csrf")
        return await self.post(action, {"csrf": csrf, **dict(parse_qsl(query))})

    async def add(self, href: str, **fields: str) -> Page:
        """Open the page on which one adds a provider, and send its form."""
        page = await self.get(href)
        assert page.status == 200, page.text
        names = ("csrf", "provider")
        return await self.post(href.partition("?")[0], {**{name: field_of(page, name) for name in names}, **fields})

    async def go_on(self, page: Page) -> str:
        """Go to the provider that a page of ours leads to; the address by which it sends the browser back."""
        assert page.status == 200, page.text
        returned = await self.get(target_of(page))
        assert returned.status == 302, returned.text
        return returned.location

    async def leave(self, path: str) -> str:
        """Go to the provider by a button; the address by which it sends the browser back."""
        return await self.go_on(await self.press(path))

    async def sign_in(self, path: str = "/login/with/idp") -> Page:
        """Go to the provider and come back."""
        return await self.get(await self.leave(path))


def field_of(page: Page, name: str) -> str:
    """The value of the first hidden field of that name."""
    return unescape(page.text.partition(f'name="{name}" value="')[2].partition('"')[0])


def target_of(page: Page) -> str:
    """Where the page sends the browser."""
    target = unescape(page.text.partition('http-equiv="refresh" content="0; url=')[2].partition('"')[0])
    assert target, page.text
    return target


@asynccontextmanager
async def visiting(server: RunningServer) -> AsyncIterator[Visitor]:
    """A browser that has never been here."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Visitor(session, server.base_url)


def entry(provider: OpenIDProvider, **settings: Any) -> dict[str, Any]:
    """The provider as the API takes it, under the name `idp`."""
    told = {"name": "idp", "displayName": "Example", "issuer": provider.issuer, "clientID": CLIENT, **settings}
    return {**told, "clientSecret": SECRET}


def handmade(header: dict[str, Any], claims: dict[str, Any], sign: Callable[[bytes], bytes] = lambda _: b"") -> str:
    """A token that no library would make; without a signature, unless `sign` makes one of what is signed."""
    body = ".".join(_encode(json.dumps(part).encode()) for part in (header, claims))
    return f"{body}.{_encode(sign(body.encode()))}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
