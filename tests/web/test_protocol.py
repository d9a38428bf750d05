"""What no client library sends: bytes on the wire that are hardly HTTP, answered in our own words."""

import asyncio
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from yarl import URL

from tenantry import logs, metrics
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


def begin(path: str, *headers: bytes, version: bytes = b"1.1", method: bytes = b"GET") -> bytes:
    """The head of a request as bytes."""
    return b"\r\n".join([b"%b %b HTTP/%b" % (method, path.encode(), version), b"Host: localhost", *headers, b"", b""])


#: what is wrong -> bytes for a path, the code of their answer, and what it says
BROKEN = {
    "method": (lambda path: begin(path, method=b"FETCH"), 400, "Invalid method encountered"),
    "version": (lambda path: begin(path, version=b"3.0"), 400, "Invalid HTTP version"),
    "line": (lambda path: begin(f"{path} hunter2"), 400, "Bad status line"),
    "address": (lambda path: begin(f"{path}?\xff=hunter2"), 400, "Invalid char in url query"),
    "long line": (lambda path: begin(path + "?hunter2=" + "x" * 70_000), 431, "a request line has at most 65536 bytes"),
    "header": (lambda path: begin(path, b"Authorization hunter2"), 400, "Invalid header token"),
    "header value": (lambda path: begin(path, b"Authorization: hunter2\x00"), 400, "Invalid header value char"),
    "long header": (lambda path: begin(path, b"Authorization: hunter2" + b"x" * 9000), 431, "a header 8192"),
    "many headers": (lambda path: begin(path, *(b"X-%d: hunter2" % n for n in range(200))), 431, "128 headers"),
    "two hosts": (lambda path: begin(path, b"Host: hunter2"), 400, "Duplicate 'Host' header found"),
    "no host": (lambda path: f"GET {path} HTTP/1.1\r\n\r\n".encode(), 400, "Missing 'Host' header in request"),
    "length": (lambda path: begin(path, b"Content-Length: -1"), 400, "Invalid character in Content-Length"),
    "lengths": (
        lambda path: begin(path, b"Content-Length: 1", b"Transfer-Encoding: chunked"), 400, "can't be present with"
    ),
    "coding": (lambda path: begin(path, b"Transfer-Encoding: hunter2"), 400, "invalid `Transfer-Encoding`"),
    "chunk": (lambda path: begin(path, b"Transfer-Encoding: chunked") + b"hunter2\r\n", 400, "in chunk size"),
    "expectation": (lambda path: begin(path, b"Expect: hunter2"), 417, "the only expectation that is met here"),
}  # fmt: skip
#: what looks like no request at all
GARBAGE = {
    "zeros": bytes(64),
    "text": b"hunter2 says hello\r\n\r\n",
    "TLS": bytes.fromhex("16030100050100000103030000"),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.fixture
def access_log() -> Iterator[io.StringIO]:
    """The lines of the access log."""
    stream = io.StringIO()
    logs.ACCESS.open(stream)
    yield stream
    logs.ACCESS.close()


def count(code: int) -> float:
    labels = {"route": "none", "method": "any", "code": str(code)}
    return metrics.REGISTRY.get_sample_value("tenantry_http_requests_total", labels) or 0


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/v1/me", TENANTS])
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
async def test_what_never_reaches_a_route_is_answered_counted_and_logged_all_the_same(
    server: ServerInProcess, access_log: io.StringIO, caplog: pytest.LogCaptureFixture, broken: Any, path: str
) -> None:
    make, code, reason = broken
    before = count(code)
    answered, headers, told = await exchange(server, make(path))
    assert answered == code
    assert headers["server"] == "tenantry"
    if path == TENANTS:
        assert (told["kind"], told["code"], headers["content-type"]) == ("Status", code, "application/json")
        assert reason in told["message"]
    else:
        assert (told["status"], headers["content-type"]) == (code, "application/problem+json")
        assert told["request_id"] == headers["x-request-id"]
        assert reason in told["detail"]
    assert count(code) == before + 1
    [line] = access_log.getvalue().splitlines()
    entry = json.loads(line)
    assert (entry["request_id"], entry["path"], entry["status"]) == (headers["x-request-id"], path, code)
    assert reason in entry["error"]
    assert "hunter2" not in line + str(told)
    assert [record for record in caplog.records if record.name.startswith("aiohttp")] == []


@pytest.mark.parametrize("sent", GARBAGE.values(), ids=GARBAGE)
async def test_garbage_gets_a_problem_document(
    server: ServerInProcess, access_log: io.StringIO, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    code, headers, told = await exchange(server, sent)
    assert (code, headers["content-type"]) == (400, "application/problem+json")
    assert told["request_id"] == headers["x-request-id"]
    [line] = access_log.getvalue().splitlines()
    assert json.loads(line)["request_id"] == told["request_id"]
    assert "hunter2" not in line + str(told)
    assert [record for record in caplog.records if record.name.startswith("aiohttp")] == []


async def test_a_request_of_http_0_9_has_no_host(server: ServerInProcess) -> None:
    code, headers, told = await exchange(server, b"GET /v1/me\r\n\r\n")
    assert (code, told["detail"], told["request_id"]) == (
        400,
        "the request has no Host header",
        headers["x-request-id"],
    )


async def test_garbage_behind_a_request_is_not_of_its_path(server: ServerInProcess) -> None:
    url = URL(server.base_url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    async with asyncio.timeout(SECONDS):
        writer.write(begin(TENANTS))
        assert b" 401 " in await reader.readuntil(b'"code":401}')
        writer.write(b"hunter2\r\n\r\n")
        assert b"\r\nContent-Type: application/problem+json\r\n" in await reader.read()
    writer.close()


@pytest.mark.parametrize("path", ["/v1/keys", TENANTS])
async def test_a_body_that_breaks_is_refused_at_once_and_once(server: ServerInProcess, path: str) -> None:
    url = URL(server.base_url)
    headers = [f"Authorization: Bearer {server.token}".encode(), b"Content-Type: application/json"]
    reader, writer = await asyncio.open_connection(url.host, url.port)
    async with asyncio.timeout(SECONDS):
        sent = begin(path, *headers, b"Transfer-Encoding: chunked", b"Expect: 100-continue", method=b"POST")
        writer.write(sent + b"2\r\n{}\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hunter2\r\n")
        answer = (await reader.read()).decode()
    writer.close()
    assert answer.startswith("HTTP/1.1 400 Bad Request\r\n")
    assert answer.count("HTTP/1.") == 1
    assert "\r\nX-Request-ID: " in answer
    assert "the body is not chunked as its Transfer-Encoding says" in answer


@pytest.mark.parametrize("path", ["/v1/me", TENANTS])
async def test_a_host_that_is_not_utf_8_is_another_host(server: ServerInProcess, path: str) -> None:
    code, headers, told = await exchange(server, request(server, path, b"Host: \xff"))
    assert code == 421
    assert headers["server"] == "tenantry"
    assert told.get("message", told.get("detail")) == (
        "this server does not answer for the host \ufffd: TENANTRY_ALLOWED_HOSTS can name it"
    )


async def test_an_encoding_that_is_not_utf_8_is_refused(server: ServerInProcess) -> None:
    credential = f"Authorization: Bearer {server.token}".encode()
    sent = request(server, TENANTS, credential, b"Content-Encoding: \xff", method="POST", body=b"{}")
    code, _, told = await exchange(server, sent)
    assert (code, told["reason"]) == (415, "UnsupportedMediaType")
    assert told["message"].endswith("has the encoding \ufffd")
