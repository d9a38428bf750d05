"""The end of a server: whoever takes part gets a whole answer, and whoever does not keeps nobody waiting.

Time has no say here: without an end of its own the server would give its requests for ever.
"""

import asyncio
import math
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest
from aiohttp import web
from yarl import URL

from tenantry.model.permissions import Permission
from tenantry.web import listener
from tenantry.web.routes import STOPPING, Route
from tests.support.server import ServerInProcess, running_server

SECONDS = 30
LARGE = 32 * 1024 * 1024  # more than the system keeps for a client that does not read
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _large(_: web.Request) -> web.Response:
    return web.Response(body=bytes(LARGE))


async def _echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


async def _wait_for_end(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"waiting")
    await request.app[STOPPING].wait()
    return response


ROUTES = [
    Route("GET", "/end", _wait_for_end, needs=Permission.PUBLIC),
    Route("GET", "/large", _large, needs=Permission.PUBLIC),
    Route("POST", "/echo", _echo, needs=Permission.PUBLIC),
]


async def _drop(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


class Ending:
    """A server, and what ends it."""

    def __init__(self, server: ServerInProcess, stack: AsyncExitStack) -> None:
        self.server = server
        self._stack = stack
        self._end: asyncio.Task[None] | None = None

    async def connect(self, sent: str, *, tls: bool) -> Streams:
        """A connection of a client that takes little at a time, and has sent this."""
        url = URL(self.server.tls_url if tls else self.server.base_url)
        plain = socket.create_connection((url.host, url.port))
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        context, name = (self.server.tls(), url.host) if tls else (None, None)
        reader, writer = await asyncio.open_connection(sock=plain, ssl=context, server_hostname=name)
        writer.write(sent.replace("\n", f" HTTP/1.1\nHost: {url.authority}\n", 1).replace("\n", "\r\n").encode())
        return reader, writer

    async def begin(self) -> None:
        """End the server, and return when it has begun to end."""
        reader, writer = await self.connect("GET /end\n\n", tls=False)
        assert await reader.readuntil(b"waiting") != b""
        self._end = asyncio.create_task(self._stack.aclose())
        await reader.read()
        await _drop(writer)

    async def finish(self) -> None:
        """Wait until the server has ended."""
        assert self._end is not None
        await self._end


@pytest.fixture
async def ending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ending]:
    """A server to be ended; what it does not end itself it waits for without a limit."""
    monkeypatch.setattr(listener, "GRACE_SECONDS", math.inf)
    async with AsyncExitStack() as stack, asyncio.timeout(SECONDS):
        yield Ending(await stack.enter_async_context(running_server(tmp_path, ROUTES)), stack)


@pytest.mark.slow
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        pytest.param("GET /large\n\n", b"HTTP/1.1 200 OK\r\n", id="takes no answer"),
        pytest.param("POST /echo\nContent-Length: 9\nExpect: 100-continue\n\n", b"HTTP/1.1 100", id="sends no body"),
        pytest.param("POST /echo\nContent-Length: 0\n\n", b"HTTP/1.1 200 OK\r\n", id="sends no other request"),
    ],
)
async def test_a_client_that_does_nothing_is_cut_off(ending: Ending, sent: str, shown: bytes, *, tls: bool) -> None:
    reader, writer = await ending.connect(sent, tls=tls)
    assert await reader.readexactly(len(shown)) == shown
    await ending.begin()
    await ending.finish()
    await _drop(writer)


@pytest.mark.slow
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_an_answer_that_is_being_taken_is_sent_whole(ending: Ending, *, tls: bool) -> None:
    reader, writer = await ending.connect("GET /large\n\n", tls=tls)
    await reader.readuntil(b"\r\n\r\n")
    await ending.begin()
    assert len(await reader.read()) == LARGE
    await _drop(writer)
    await ending.finish()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_request_that_is_being_sent_is_answered_and_is_the_last_one(ending: Ending, *, tls: bool) -> None:
    reader, writer = await ending.connect("POST /echo\nContent-Length: 9\nExpect: 100-continue\n\nthe ", tls=tls)
    await reader.readuntil(b"\r\n\r\n")
    await ending.begin()
    writer.write(b"whole")
    head, body = (await reader.read()).split(b"\r\n\r\n")
    assert body == b"the whole"
    assert b"\r\nConnection: close\r\n" in head + b"\r\n"
    await _drop(writer)
    await ending.finish()
