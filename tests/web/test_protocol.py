"""What no client library sends: bytes on the wire that are hardly HTTP, answered in our own words."""

import asyncio
import json
from typing import Any

import pytest
from yarl import URL

from tests.support.server import RunningServer, ServerInProcess

TENANTS = "/apis/tenantry.dev/v1alpha1/tenants"
SECONDS = 20


async def exchange(server: RunningServer, *parts: bytes) -> tuple[int, dict[str, str], Any]:
    """What is answered to raw bytes: code, headers by their small names, JSON."""
    url = URL(server.base_url)
    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection(url.host, url.port)
        for part in parts:
            writer.write(part)
            await writer.drain()
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split()[1]), headers, json.loads(body)


def request(server: RunningServer, path: str, *headers: bytes, method: str = "GET", body: bytes = b"") -> bytes:
    """A request as bytes, with a Host unless `headers` begin with one, after which the connection ends."""
    host = b"" if headers and headers[0].startswith(b"Host:") else f"Host: {URL(server.base_url).authority}".encode()
    lines = [f"{method} {path} HTTP/1.1".encode(), *filter(None, [host]), b"Connection: close", *headers]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])


@pytest.mark.parametrize("path", ["/v1/me", TENANTS])
async def test_a_host_that_is_not_utf_8_is_another_host(server: ServerInProcess, path: str) -> None:
    code, headers, told = await exchange(server, request(server, path, b"Host: \xff"))
    assert code == 421
    assert headers["server"] == "tenantry"
    assert told.get("message", told.get("detail")) == "this server does not answer for the host \ufffd"


async def test_an_encoding_that_is_not_utf_8_is_refused(server: ServerInProcess) -> None:
    credential = f"Authorization: Bearer {server.token}".encode()
    sent = request(server, TENANTS, credential, b"Content-Encoding: \xff", method="POST", body=b"{}")
    code, _, told = await exchange(server, sent)
    assert (code, told["reason"]) == (415, "UnsupportedMediaType")
    assert told["message"].endswith("has the encoding \ufffd")
