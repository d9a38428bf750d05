"""One server and how to speak to it: address, token, trust, time limits, repetition; failures are ``TenantryError``."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson

from tenantry import __version__
from tenantry.client.errors import UnreachableError, read_error
from tenantry.client.tokens import Token
from tenantry.logs import REQUEST
from tenantry.model.errors import Code, TenantryError

JSON = "application/json"
APPLY = "application/apply-patch+yaml"  # of which JSON is a part

#: worth another attempt, if the request may be repeated
_PASSING = frozenset({Code.UNAVAILABLE, Code.TIMEOUT, Code.TOO_MANY_REQUESTS})
_IDEMPOTENT = frozenset({"GET", "PUT", "DELETE"})
#: what OpenSSL makes of an answer in plain text, in its releases
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"})
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to send. A ``body`` is sent as JSON of ``content_type``; a POST with a ``key`` may be sent twice."""

    method: str
    path: str
    params: Mapping[str, str] | None = None
    body: Any = None
    content_type: str = JSON
    accept: str = JSON
    key: str = ""  # Idempotency-Key

    @property
    def is_idempotent(self) -> bool:
        """Whether sending it twice is sending it once; a server-side apply is, other patches are not."""
        return self.method in _IDEMPOTENT or self.content_type == APPLY or bool(self.key)

    def headers(self) -> dict[str, str]:
        """All but who sends it."""
        headers = {"Accept": self.accept}
        if self.body is not None:
            headers["Content-Type"] = self.content_type
        if self.key:
            headers["Idempotency-Key"] = self.key
        return headers


class Session:
    """Requests to one server over kept connections; used as an asynchronous context manager.

    Args:
        url: where the server is, with its path prefix if it has one.
        token: the bearer token, None for anonymous requests.
        ca: the CA that signed the server's certificate, as a file or as PEM text; the system's when None.
        certificate: a client certificate and its key as PEM text.
        timeout: seconds that one attempt may take.
        attempts: how often a request that may be repeated is sent before its failure counts.
    """

    def __init__(  # noqa: PLR0913 - one keyword per part of a connection
        self,
        url: str,
        token: Token | None = None,
        *,
        ca: Path | str | None = None,
        certificate: tuple[str, str] | None = None,
        timeout: float = 10.0,
        attempts: int = 3,
    ) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._attempts = attempts
        self._limits = aiohttp.ClientTimeout(total=timeout, connect=min(timeout, 5.0))
        context = trust(ca, certificate) if url.startswith("https:") else True
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context),
            headers={"User-Agent": f"tenantry/{__version__}"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def send(self, request: Request) -> Any:
        """The parsed answer to ``request``, None when it has no body.

        Raises:
            TenantryError: the server refused, could not be reached (``UNAVAILABLE``, ``TIMEOUT``), or is none of ours.
        """
        attempt = 1
        while True:
            try:
                async with self._open(request, self._limits) as response:
                    body = await response.read()
            except TenantryError as error:
                pause = self._pause(request, attempt, error)
                if pause is None:
                    raise
            else:
                return self._parse(body)
            await asyncio.sleep(pause)
            attempt += 1

    @asynccontextmanager
    async def stream(self, request: Request, *, silence: float) -> AsyncIterator[AsyncIterator[bytes]]:
        """The lines of an answer as they come; ``silence`` is how many seconds without one are too many.

        Raises:
            TenantryError: the server refused, or could not be reached; also while iterating.
        """
        limits = aiohttp.ClientTimeout(total=None, connect=self._limits.connect, sock_read=silence)
        async with self._open(request, limits) as response:
            yield _lines(response.content)

    @asynccontextmanager
    async def _open(self, request: Request, limits: aiohttp.ClientTimeout) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            headers = self._headers(request)
        except OSError as error:
            raise TenantryError(Code.UNAUTHENTICATED, f"the token cannot be read: {error}") from None
        try:
            async with self._http.request(
                request.method,
                self.url + request.path,
                params=request.params,
                data=orjson.dumps(request.body) if request.body is not None else None,
                headers=headers,
                timeout=limits,
                allow_redirects=False,
            ) as response:
                if not response.ok or response.status >= 300:  # noqa: PLR2004 - a redirect is none of ours
                    raise read_error(response.status, response.headers, await response.read())
                yield response
        except TimeoutError:
            raise UnreachableError(Code.TIMEOUT, f"{self.url} did not answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            why = reason_of(error, self.url)
            raise UnreachableError(Code.UNAVAILABLE, f"{self.url} cannot be reached: {why}") from None

    def _parse(self, body: bytes) -> Any:
        try:
            return orjson.loads(body) if body else None
        except orjson.JSONDecodeError:
            raise TenantryError(Code.INTERNAL, f"{self.url} answered no JSON: is it a Tenantry server?") from None

    def _headers(self, request: Request) -> dict[str, str]:
        headers = request.headers()
        if self._token is not None:
            token = str(self._token).strip()
            if not (token.isascii() and token.isprintable()):
                raise TenantryError(Code.UNAUTHENTICATED, "the token has a line break, or a letter that no token has")
            headers["Authorization"] = f"Bearer {token}"
        if scope := REQUEST.get():
            headers["X-Request-ID"] = scope.request_id
        return headers

    def _pause(self, request: Request, attempt: int, error: TenantryError) -> float | None:
        """Seconds to wait before the next attempt, None when there is to be none."""
        if error.code not in _PASSING or not request.is_idempotent or attempt >= self._attempts:
            return None
        pause = random.uniform(0, _FIRST_PAUSE * 2**attempt)  # noqa: S311 - spreads callers, guards nothing
        if error.retry_after is not None:
            pause += error.retry_after
        return pause if pause <= _LONGEST_PAUSE else None


def trust(ca: Path | str | None, certificate: tuple[str, str] | None = None) -> ssl.SSLContext:
    """What a connection trusts: a CA as a file or as PEM text, or the system's; and how it proves itself."""
    trusted = {"cadata": ca} if isinstance(ca, str) else {"cafile": ca}
    context = ssl.create_default_context(**trusted)
    if certificate:
        with tempfile.NamedTemporaryFile("w", encoding="ascii") as file:  # ssl reads nothing else; nobody else may
            file.write("\n".join(certificate))
            file.flush()
            context.load_cert_chain(file.name)
    return context


def reason_of(error: Exception, url: str) -> str:
    """Why a connection to ``url`` failed, without aiohttp's own words around it."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        why = getattr(error.certificate_error, "verify_message", error.certificate_error)
        return f"its certificate is not trusted: {why}; name its CA with --ca-file (of `make run`: .tenantry/ca.crt)"
    if isinstance(error, aiohttp.ServerDisconnectedError) and url.startswith("http:"):
        return "it hung up: if that is a port for HTTPS, write https://"
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS:
        return "it does not speak TLS there: if that is a port for plain HTTP, write http://"
    if isinstance(cause, OSError) and cause.errno:
        return str(cause.strerror) if isinstance(cause, socket.gaierror | ssl.SSLError) else os.strerror(cause.errno)
    return str(error) or type(error).__name__


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length; aiohttp's own iterator fails beyond 128 KiB, which one object may be."""
    rest = b""
    async for chunk in content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line
