"""The OAuth client that the command line is (RFC 8252): sign-in through a browser or by a device code, and refresh."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import orjson

from tenantry.addresses import is_loopback
from tenantry.client.errors import UnreachableError
from tenantry.client.session import reason_of, trust
from tenantry.model.errors import Code, TenantryError
from tenantry.model.oauth import CLI, GrantType
from tenantry.model.permissions import OF_THE_PLATFORM

_METADATA = "/.well-known/oauth-authorization-server"
_SECONDS = 10.0
#: how long somebody may take to sign in
PATIENCE_SECONDS = 300.0
_HEAD_BYTES = 16 * 1024
_LEFT = {"platform:reconcile"}
_SCOPES = tuple(scope for scope in CLI.scopes if scope not in _LEFT)
_DONE = b"Signed in: go back to the terminal. This page can be closed.\n"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the authorization server is (RFC 8414)."""

    issuer: str
    authorization: str
    token: str
    device: str
    revocation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a sign-in or a refresh gives; ``expires_at`` is that of the access token, in epoch seconds."""

    access: str
    refresh: str
    expires_at: float


class AuthorizationServer:
    """One server to sign in at; used as an asynchronous context manager.

    Args:
        url: where it is.
        ca: its CA as PEM text; the system's when empty.
    """

    def __init__(self, url: str, ca: str = "") -> None:
        self._url = url
        self._http = aiohttp.ClientSession(  # the issuer has a certificate also where the URL is one of plain HTTP
            connector=aiohttp.TCPConnector(ssl=trust(ca or None)), timeout=aiohttp.ClientTimeout(total=_SECONDS)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def discover(self) -> Endpoints:
        """What the server publishes about itself, as the issuer that was asked (RFC 8414, 3.3).

        Else a server could send somebody to sign in at another one, and have the token that comes of it. On this
        machine alone a server has several addresses, of which one is its issuer: that is asked instead.

        Raises:
            TenantryError: it cannot be reached, there or as the issuer that it says it is, is another issuer, or
                publishes nothing of that kind.
        """
        found = await self._metadata(self._url)
        if found.issuer != self._url and _is_here(found.issuer) and _is_here(self._url):
            # trouble is told before somebody is asked to sign in
            asked, found = found.issuer, await self._metadata(found.issuer)
        else:
            asked = self._url
        if found.issuer != asked:
            raise TenantryError(
                Code.MISDIRECTED,
                f"{asked} says that it is {found.issuer}, and nobody is sent from one to the other: sign in with "
                f"--server {found.issuer} if that is the one you mean; else its TENANTRY_EXTERNAL_URL must be {asked}",
            )
        return found

    async def _metadata(self, url: str) -> Endpoints:
        _, found = await self._send("GET", url + _METADATA)
        names = (
            "issuer",
            *(f"{name}_endpoint" for name in ("authorization", "token", "device_authorization", "revocation")),
        )
        told = [found.get(name) for name in names]
        if not all(isinstance(each, str) and each.isprintable() for each in told):
            raise TenantryError(Code.NOT_FOUND, f"nobody can sign in at {url}: is it a Tenantry server?")
        return Endpoints(*map(str, told))

    async def sign_in(self, endpoints: Endpoints, show: Callable[[str], None]) -> Tokens:
        """Sign in through a browser on this machine: code and PKCE (RFC 7636), back to a port of loopback.

        Args:
            endpoints: of the server.
            show: takes the URL that the browser must open.

        Raises:
            TenantryError: it was refused, or nobody came back in time.
        """
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        async with _Callback(state, endpoints.issuer) as callback:
            parameters = {
                "response_type": "code",
                "client_id": CLI.id,
                "redirect_uri": callback.uri,
                "scope": " ".join(_SCOPES),
                "state": state,
                "code_challenge": challenge,
                "code_challenge_method": "S256",
            }
            show(f"{endpoints.authorization}?{urlencode(parameters)}")
            code = await callback.code()
            grant = {
                "grant_type": GrantType.AUTHORIZATION_CODE,
                "code": code,
                "redirect_uri": callback.uri,
                "code_verifier": verifier,
            }
            return await self._exchange(endpoints.token, grant)

    async def connect(self, endpoints: Endpoints, show: Callable[[str, str], None]) -> Tokens:
        """Sign in with a browser anywhere (RFC 8628), but never as the platform's administrator.

        Args:
            endpoints: of the server.
            show: takes the URL that somebody must open, and the code to compare.

        Raises:
            TenantryError: it was refused, or nobody came in time.
        """
        scope = " ".join(each for each in _SCOPES if each not in OF_THE_PLATFORM)
        status, asked = await self._send("POST", endpoints.device, {"client_id": CLI.id, "scope": scope})
        if status != 200:  # noqa: PLR2004 - OK
            raise _refused(asked)
        show(str(asked["verification_uri"]), str(asked["user_code"]))
        pause = float(asked.get("interval", 5))
        deadline = time.monotonic() + float(asked["expires_in"])
        grant = {"grant_type": GrantType.DEVICE_CODE, "device_code": asked["device_code"], "client_id": CLI.id}
        while time.monotonic() < deadline:
            await asyncio.sleep(pause)
            status, told = await self._send("POST", endpoints.token, grant)
            if status == 200:  # noqa: PLR2004 - OK
                return _tokens(told)
            error = told.get("error")
            if error == "slow_down":
                pause += 5
            elif error != "authorization_pending":
                raise _refused(told)
        raise _late("nobody has entered the code")

    async def refresh(self, endpoint: str, token: str) -> Tokens:
        """New tokens for a refresh token, which is used up by it.

        Raises:
            TenantryError: ``UNAUTHENTICATED``, it is not good any more.
        """
        return await self._exchange(endpoint, {"grant_type": GrantType.REFRESH_TOKEN, "refresh_token": token})

    async def revoke(self, endpoint: str, token: str) -> None:
        """Give a refresh token back, and with it all that came of the sign-in (RFC 7009).

        Raises:
            TenantryError: the server has not taken it.
        """
        status, told = await self._send("POST", endpoint, {"token": token, "client_id": CLI.id})
        if status != 200:  # noqa: PLR2004 - OK
            raise _refused(told)

    async def _exchange(self, endpoint: str, grant: Mapping[str, str]) -> Tokens:
        status, told = await self._send("POST", endpoint, {**grant, "client_id": CLI.id})
        if status != 200:  # noqa: PLR2004 - OK
            raise _refused(told)
        return _tokens(told)

    async def _send(self, method: str, url: str, form: Mapping[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        try:
            async with self._http.request(method, url, data=form, allow_redirects=False) as response:
                status, body = response.status, await response.read()
        except TimeoutError:
            raise UnreachableError(Code.TIMEOUT, f"{_origin(url)} did not answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            why = reason_of(error, url)
            raise UnreachableError(Code.UNAVAILABLE, f"{_origin(url)} cannot be reached: {why}") from None
        if status >= 500:  # noqa: PLR2004 - its fault
            raise UnreachableError(Code.UNAVAILABLE, f"{_origin(url)} answered {status}")
        try:
            told = orjson.loads(body)
        except orjson.JSONDecodeError:
            told = None
        return status, told if isinstance(told, dict) else {}


class _Callback:
    """A port of loopback to which the browser comes back, once."""

    def __init__(self, state: str, issuer: str) -> None:
        self._state, self._issuer = state, issuer
        self._answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.uri = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_HEAD_BYTES)
        self.uri = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/callback"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    async def code(self) -> str:
        """The code that the browser brings.

        Raises:
            TenantryError: it brings an error, or does not come.
        """
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self._answer
        except TimeoutError:
            raise _late("nobody has come back from the browser") from None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii", errors="replace")
            parts = urlsplit(head.split(" ")[1] if head.count(" ") > 1 else "")
            status, text = self._take(parts.path, {key: values[0] for key, values in parse_qs(parts.query).items()})
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
            status, text = "400 Bad Request", b"That is no answer to a sign-in.\n"
        lines = (
            f"HTTP/1.1 {status}",
            "Content-Type: text/plain",
            f"Content-Length: {len(text)}",
            "Connection: close",
            "",
            "",
        )
        writer.write("\r\n".join(lines).encode() + text)
        writer.close()

    def _take(self, path: str, sent: Mapping[str, str]) -> tuple[str, bytes]:
        """What to say to a request: only one with our state, from our issuer (RFC 9207), counts."""
        if path != "/callback" or not hmac.compare_digest(sent.get("state", "").encode(), self._state.encode()):
            return "404 Not Found", b"There is nothing here.\n"
        if sent.get("iss") != self._issuer:
            return "400 Bad Request", b"The answer is from another server.\n"
        if self._answer.done():
            return "409 Conflict", b"That was answered before.\n"
        if "code" in sent:
            self._answer.set_result(sent["code"])
            return "200 OK", _DONE
        self._answer.set_exception(_refused(sent))
        return "200 OK", b"It was refused: go back to the terminal.\n"


def _is_here(url: str) -> bool:
    """Whether ``url`` is on this machine."""
    return is_loopback(urlsplit(url).hostname or "")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _tokens(told: Mapping[str, Any]) -> Tokens:
    lifetime = float(told.get("expires_in", 0))
    return Tokens(
        access=str(told["access_token"]), refresh=str(told.get("refresh_token", "")), expires_at=time.time() + lifetime
    )


def _late(why: str) -> TenantryError:
    return TenantryError(Code.UNAUTHENTICATED, f"not signed in: {why} in time; to try again: tenantry login")


def _refused(told: Mapping[str, Any]) -> TenantryError:
    why = told.get("error_description") or told.get("error") or "the server gave no reason"
    return TenantryError(Code.UNAUTHENTICATED, f"not signed in: {why}")
