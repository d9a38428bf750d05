"""What every request goes through: id, host, address, permission, metrics and log."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from prometheus_client.parser import text_string_to_metric_families

from tenantry import logs
from tenantry.model.permissions import Permission
from tenantry.web.app import ROUTES
from tenantry.web.client_address import client_address
from tenantry.web.routes import ACTOR, Route
from tests.support.server import ServerInProcess, running_server

TENANTS = "/apis/tenantry.dev/v1alpha1/tenants"


async def _who(request: web.Request) -> web.Response:
    actor = request[ACTOR]
    scope = logs.REQUEST.get()
    assert scope is not None
    return web.json_response(
        {"name": actor.name, "id": actor.request_id, "ip": actor.ip, "traceparent": scope.traceparent}
    )


WHO = Route("GET", "/who/{anything}", _who, needs=Permission.PUBLIC)


@asynccontextmanager
async def who(tmp_path: Path, **settings: Any) -> AsyncIterator[aiohttp.ClientSession]:
    """A stranger's client of a server that says who the client is."""
    async with running_server(tmp_path, [*ROUTES, WHO], **settings) as server, server.session(anonymous=True) as client:
        yield client


async def test_every_route_says_what_it_needs() -> None:
    assert all(isinstance(route.needs, Permission) for route in ROUTES)
    with pytest.raises(TypeError):
        Route("GET", "/x", _who)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="must be a Permission"):
        Route("GET", "/x", _who, needs=None)  # type: ignore[arg-type]


async def test_a_request_id_is_made_or_taken_over(tmp_path: Path) -> None:
    async with who(tmp_path) as client:
        ids = set()
        for _ in range(2):
            async with client.get("/who/1") as answer:
                assert answer.headers["X-Request-ID"] == (await answer.json())["id"]
                ids.add(answer.headers["X-Request-ID"])
        assert len(ids) == 2
        async with client.get("/who/1", headers={"X-Request-ID": "mine-1"}) as answer:
            assert answer.headers["X-Request-ID"] == "mine-1"
        for bad in ("with space", "x" * 129, '"', "é"):
            async with client.get("/who/1", headers={"X-Request-ID": bad}) as answer:
                assert answer.headers["X-Request-ID"] != bad


async def test_a_trace_is_passed_on_and_garbage_is_not(tmp_path: Path) -> None:
    good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with who(tmp_path) as client:
        for sent, kept in ((good, good), (good.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32), ""), ("x", "")):
            async with client.get("/who/1", headers={"traceparent": sent}) as answer:
                assert (await answer.json())["traceparent"] == kept


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:1", 200),
        ("localhost", 200),
        ("LOCALHOST:8080", 200),
        ("[::1]:8080", 200),
        ("tenantry.example.com", 200),
        ("tenantry.platform.svc:8080", 200),
        ("evil.example.com", 421),
        ("localhost.evil.example.com", 421),
        ("127.0.0.1.nip.io", 421),
        ("", 421),
        ("localhost:x", 421),
    ],
)
async def test_only_our_own_names_are_answered_for(tmp_path: Path, host: str, status: int) -> None:
    settings = {"external_url": "https://tenantry.example.com/path", "allowed_hosts": "tenantry.platform.svc"}
    async with who(tmp_path, **settings) as client, client.get("/who/1", headers={"Host": host}) as answer:
        assert answer.status == status
        if status == 421:
            assert (await answer.json())["code"] == "misdirected"


async def test_a_request_without_host_is_refused(server: ServerInProcess) -> None:
    host, port = server.base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /v1/me HTTP/1.0\r\n\r\n")
    assert (await reader.readline()).split()[1] == b"400"
    writer.close()


TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # not a proxy of ours
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["192.0.2.1, 198.51.100.1"], "198.51.100.1"),  # the left one is hearsay
        ("10.0.0.1", ["198.51.100.1, 10.1.1.1", "10.2.2.2"], "198.51.100.1"),
        ("10.0.0.1", ["10.1.1.1"], "10.1.1.1"),
        ("10.0.0.1", ["198.51.100.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1,"], "10.0.0.1"),
        ("10.0.0.1", ["2001:db8::7"], "2001:db8::7"),
        ("fd00::1", ["[2001:db8::7]"], "2001:db8::7"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
    ],
)
def test_the_client_is_the_rightmost_address_that_is_no_proxy(peer: str, forwarded: list[str], client: str) -> None:
    headers = [("X-Forwarded-For", value) for value in forwarded]
    request = make_mocked_request("GET", "/", headers=_multi(headers)).clone(remote=peer)
    assert client_address(request, TRUSTED) == client


def _multi(headers: list[tuple[str, str]]) -> Any:
    from multidict import CIMultiDict  # noqa: PLC0415 - mocked requests alone need it

    return CIMultiDict(headers)


async def test_the_address_behind_a_trusted_proxy_reaches_the_handler(tmp_path: Path) -> None:
    headers = {"X-Forwarded-For": "192.0.2.1, 198.51.100.7"}
    async with who(tmp_path, trusted_proxies="127.0.0.0/8") as client, client.get("/who/1", headers=headers) as answer:
        assert (await answer.json())["ip"] == "198.51.100.7"
    async with who(tmp_path) as client, client.get("/who/1", headers=headers) as answer:
        assert (await answer.json())["ip"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        (
            "POST",
            TENANTS,
            (
                'tenants.tenantry.dev is forbidden: User "{user}" cannot create resource "tenants" in API group '
                '"tenantry.dev" at the cluster scope: the permission resources:write is missing, which comes with the '
                "scope platform:admin or platform:reconcile"
            ),
        ),
        (
            "DELETE",
            f"{TENANTS}/acme",
            (
                'tenants.tenantry.dev "acme" is forbidden: User "{user}" cannot delete resource "tenants" in API group '
                '"tenantry.dev" at the cluster scope: the permission resources:write is missing, which comes with the '
                "scope platform:admin or platform:reconcile"
            ),
        ),
        (
            "PUT",
            "/apis/tenantry.dev/v1alpha1/namespaces/web/configs/a/status",
            (
                'configs.tenantry.dev "a" is forbidden: User "{user}" cannot update resource "configs/status" in '
                'API group "tenantry.dev" in the namespace "web": the permission resources:write is missing, which '
                "comes with the scope platform:admin or platform:reconcile"
            ),
        ),
    ],
)
async def test_who_may_not_is_told_what_in_the_words_of_kubernetes(
    server: ServerInProcess, method: str, path: str, message: str
) -> None:
    admin = await server.services.authenticator.authenticate(server.token, "127.0.0.1")
    reader = await server.services.keys.create(admin, "reader", ["platform:read"])
    async with server.session(anonymous=True) as session:
        headers = {"Authorization": f"Bearer {reader.token}"}
        async with session.request(method, path, headers=headers, json={}) as answer:
            assert answer.status == 403
            status = await answer.json()
            assert status["message"] == message.format(user=f"key:{reader.key.id}")
            assert status["reason"] == "Forbidden"
            assert status["details"]["group"] == "tenantry.dev"


async def _metrics(server: ServerInProcess) -> dict[tuple[str, str, str, str], float]:
    async with aiohttp.ClientSession() as session, session.get(f"{server.ops_url}/metrics") as answer:
        text = await answer.text()
    return {
        (sample.name, sample.labels.get("route", ""), sample.labels.get("method", ""), sample.labels.get("code", "")):
            sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("tenantry_http") and "le" not in sample.labels
    }  # fmt: skip


async def test_requests_are_counted_by_the_template_of_their_route(tmp_path: Path) -> None:
    route = Route("GET", "/counted/{name}", _who, needs=Permission.AUTHENTICATED)
    async with running_server(tmp_path, [route]) as server:
        async with server.session() as session:
            for path in ("/counted/a", "/counted/b", "/uncounted", "/uncounted/else"):
                async with session.get(path):
                    pass
        async with server.session(anonymous=True) as session, session.get("/counted/a"):
            pass
        found = await _metrics(server)
    assert found["tenantry_http_requests_total", "/counted/{name}", "GET", "200"] == 2
    assert found["tenantry_http_requests_total", "/counted/{name}", "GET", "401"] == 1
    assert found["tenantry_http_request_duration_seconds_count", "/counted/{name}", "GET", ""] == 3
    assert found["tenantry_http_requests_total", "none", "any", "404"] >= 2
    assert found["tenantry_http_requests_in_flight", "", "", ""] == 0
    assert not any("uncounted" in route for _, route, _, _ in found)


async def test_a_line_is_logged_per_request_without_query_and_token(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    with path.open("w") as stream:
        logs.ACCESS.open(stream)
        try:
            async with running_server(tmp_path, [*ROUTES, WHO]) as server, server.session() as session:
                headers = {"X-Request-ID": "r-1"}
                async with session.get("/who/me?secret=hunter2", headers=headers) as answer:
                    assert answer.status == 200
        finally:
            logs.ACCESS.close()
    [line] = path.read_text().splitlines()
    entry = json.loads(line)
    assert entry.pop("ms") >= 0
    assert entry.pop("ts").endswith("+00:00")
    assert entry == {
        "level": "info",
        "logger": "tenantry.access",
        "request_id": "r-1",
        "actor": "local-admin",
        "ip": "127.0.0.1",
        "method": "GET",
        "path": "/who/me",
        "status": 200,
    }


async def test_a_log_record_carries_the_request_it_was_written_for(tmp_path: Path) -> None:
    async def complain(_: web.Request) -> web.Response:
        logging.getLogger("tenantry.test").warning("the key is %s", f"tnk_{'a' * 16}_{'b' * 43}_{'c' * 6}")
        return web.Response()

    path = tmp_path / "server.log"
    before = logging.getLogger().handlers[:], logging.getLogger().level
    with path.open("w") as stream:
        logs.configure("warning", stream)
        try:
            async with (
                running_server(tmp_path, [Route("GET", "/", complain, needs=Permission.PUBLIC)]) as server,
                server.session() as session,
                session.get("/", headers={"X-Request-ID": "r-2"}),
            ):
                pass
        finally:
            logging.getLogger().handlers[:], logging.getLogger().level = before
    [line] = [line for line in path.read_text().splitlines() if "tenantry.test" in line]
    entry = json.loads(line)
    assert (entry["level"], entry["request_id"], entry["actor"]) == ("warning", "r-2", "local-admin")
    assert entry["message"] == f"the key is tnk_{'a' * 16}_***"
