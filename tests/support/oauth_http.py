"""OAuth requests as tests send them one by one: a browser's, and a client's."""

import hashlib
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp

from tenantry.web.authentication import SESSION_COOKIE
from tests.support.oauth import CALLBACK

VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What was answered: the page or document, or where the browser is sent."""

    status: int
    headers: Mapping[str, str]
    text: str
    body: Any = None

    @property
    def location(self) -> str:
        """Where to, without its parameters."""
        return self.headers["Location"].partition("?")[0]

    @property
    def parameters(self) -> dict[str, str]:
        """What the browser is sent there with."""
        return dict(parse_qsl(urlsplit(self.headers["Location"]).query))

    def field(self, name: str) -> str:
        """The value of a hidden field of the page."""
        found = re.search(rf'name="{name}" value="([^"]*)"', self.text)
        assert found, self.text
        return unescape(found[1])


@dataclass(frozen=True, slots=True)
class Wire:
    """A client and a browser with a cookie, on a server at `url`."""

    http: aiohttp.ClientSession
    client_id: str
    secret: str = ""
    cookie: str = ""

    async def call(self, method: str, path: str, **options: Any) -> Sent:
        """One request."""
        async with self.http.request(method, path, allow_redirects=False, **options) as answer:
            text = await answer.text(errors="replace")
            is_json = "json" in answer.headers.get("Content-Type", "")
            body = await answer.json() if is_json else None
            return Sent(status=answer.status, headers=answer.headers, text=text, body=body)

    async def authorize(self, **changed: str | None) -> Sent:
        """The browser follows the client's link; None takes a parameter out."""
        good = {
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid",
            "state": "s",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        parameters = {name: value for name, value in {**good, **changed}.items() if value is not None}
        return await self.browse("/oauth/authorize?" + urlencode(parameters))

    async def browse(self, path: str, form: Mapping[str, str] | None = None) -> Sent:
        """The browser opens a page, or sends a form of one."""
        headers = {"Cookie": f"{SESSION_COOKIE}={self.cookie}", "Sec-Fetch-Site": "same-origin"}
        if form is None:
            return await self.call("GET", path, headers=headers)
        return await self.call("POST", path, headers=headers, data=dict(form))

    async def decide(self, page: Sent, decision: str = "allow") -> Sent:
        """The person answers the page that asks for consent."""
        form = {"csrf": page.field("csrf"), "request": page.field("request"), "decision": decision}
        return await self.browse("/oauth/consent", form)

    async def code(self, **changed: str | None) -> str:
        """A code of a client whom nobody is asked for."""
        sent = await self.authorize(**changed)
        assert sent.status == 303, sent.text
        return sent.parameters["code"]

    async def post(self, path: str, **parameters: str | None) -> Sent:
        """The client sends a form, with its secret in HTTP Basic, or its id when it has none."""
        form = {name: value for name, value in parameters.items() if value is not None}
        if self.secret:
            basic = b64encode(f"{self.client_id}:{self.secret}".encode()).decode()
            return await self.call("POST", path, data=form, headers={"Authorization": f"Basic {basic}"})
        return await self.call("POST", path, data={"client_id": self.client_id, **form})

    async def redeem(self, code: str, /, **changed: str | None) -> Sent:
        """The client redeems a code."""
        good = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        }
        return await self.post("/oauth/token", **{**good, **changed})

    async def refresh(self, token: str, /, **more: str) -> Sent:
        """The client uses a refresh token."""
        return await self.post("/oauth/token", grant_type="refresh_token", refresh_token=token, **more)


def error(sent: Sent) -> tuple[int, str]:
    """The status and the code of what a client is refused with."""
    return sent.status, sent.body["error"]
