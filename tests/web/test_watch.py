"""Watches over real sockets: framing, replay, resume, selectors, and a thousand at once."""

import asyncio
import gc
import json
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import Gauge
from yarl import URL

from tenantry import metrics
from tenantry.model import ids
from tenantry.model.resource import Change, Resource
from tenantry.storage import changes
from tenantry.web.kubernetes import watch as watch_module
from tenantry.web.listener import GRACE_SECONDS
from tests.support.server import ServerInProcess, running_server

PLANS = "/apis/tenantry.dev/v1alpha1/plans"
SECONDS = 20


def plan(name: str, **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "tenantry.dev/v1alpha1",
        "kind": "Plan",
        "metadata": {"name": name, "labels": labels},
        "spec": {"displayName": name},
    }


async def events(response: aiohttp.ClientResponse, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(SECONDS):
        return [json.loads(await response.content.readline()) for _ in range(count)]


async def fill(server: ServerInProcess, count: int, first: int = 0) -> None:
    """Create plans of 100 kB each."""
    async with server.session() as http:
        for number in range(first, first + count):
            document = plan(f"big-{number}")
            document["metadata"]["annotations"] = {"tenantry.example/filler": "x" * 100_000}
            async with http.post(PLANS, json=document) as answer:
                assert answer.status == 201


async def compact(server: ServerInProcess) -> None:
    """Remove the whole change log."""
    while await server.services.db.run(changes.compact, ids.now_micros(), 0, write=True):
        pass


async def stalled_watch(server: ServerInProcess, **parameters: str) -> socket.socket:
    """A watch that has begun, by a client that has read no more than its head."""
    loop = asyncio.get_running_loop()
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    client.settimeout(0)
    url = URL(server.base_url)
    await loop.sock_connect(client, (url.host, url.port))
    target = URL(PLANS).with_query({"watch": "true", **parameters})
    head = (
        f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {server.token}\r\n\r\n"
    )
    await loop.sock_sendall(client, head.encode())
    async with asyncio.timeout(SECONDS):
        assert (await loop.sock_recv(client, 15)) == b"HTTP/1.1 200 OK"
    return client


async def rest_of(client: socket.socket) -> bytes:
    """What is left to read until the server closes the connection."""
    loop = asyncio.get_running_loop()
    received = bytearray()
    async with asyncio.timeout(SECONDS):
        while part := await loop.sock_recv(client, 1024 * 1024):
            received += part
    return bytes(received)


def value_of(gauge: Gauge) -> float:
    return next(sample.value for metric in gauge.collect() for sample in metric.samples)


def names(seen: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"]["name"]) for event in seen]


async def test_the_state_comes_first_then_every_change(server: ServerInProcess) -> None:
    async with server.session() as http:
        await http.post(PLANS, json=plan("a"))
        async with http.get(PLANS, params={"watch": "true"}) as watch:
            await http.post(PLANS, json=plan("b"))
            await http.delete(f"{PLANS}/a")
            seen = await events(watch, 3)
    assert names(seen) == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in seen]
    assert versions == sorted(set(versions))


async def test_a_watch_resumes_after_the_version_that_it_names(server: ServerInProcess) -> None:
    async with server.session() as http:
        for name in "abc":
            await http.post(PLANS, json=plan(name))
        async with http.get(f"{PLANS}/a") as answer:
            version = (await answer.json())["metadata"]["resourceVersion"]
        async with http.get(PLANS, params={"watch": "true", "resourceVersion": version}) as watch:
            seen = await events(watch, 2)
    assert names(seen) == [("ADDED", "b"), ("ADDED", "c")]


async def test_an_object_enters_and_leaves_a_selector(server: ServerInProcess) -> None:
    async with server.session() as http:
        await http.post(PLANS, json=plan("a", ring="outer"))
        async with http.get(PLANS, params={"watch": "true", "labelSelector": "ring=inner"}) as watch:
            for ring in ("inner", "outer"):
                patch = {"metadata": {"labels": {"ring": ring}}}
                media = {"Content-Type": "application/merge-patch+json"}
                await http.patch(f"{PLANS}/a", json=patch, headers=media)
            seen = await events(watch, 2)
    assert names(seen) == [("ADDED", "a"), ("DELETED", "a")]


async def test_the_initial_state_ends_with_its_bookmark(server: ServerInProcess) -> None:
    parameters = {
        "watch": "true",
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }
    async with server.session() as http:
        await http.post(PLANS, json=plan("a"))
        async with http.get(PLANS, params=parameters) as watch:
            added, bookmark = await events(watch, 2)
    assert added["type"] == "ADDED"
    assert bookmark["type"] == "BOOKMARK"
    assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


@pytest.mark.slow
async def test_a_watch_ends_when_its_time_is_up(server: ServerInProcess) -> None:
    async with server.session() as http, http.get(PLANS, params={"watch": "true", "timeoutSeconds": "1"}) as watch:
        async with asyncio.timeout(SECONDS):
            assert await watch.read() == b""


async def test_a_watch_ends_with_its_credential(server: ServerInProcess) -> None:
    admin = await server.services.authenticator.authenticate(server.token, "127.0.0.1")
    made = await server.services.keys.create(admin, "reader", ["platform:read"])
    reader = {"Authorization": f"Bearer {made.token}"}
    async with server.session() as http, AsyncExitStack() as stack:
        watches = [
            await stack.enter_async_context(http.get(PLANS, params={"watch": "true"}, headers=headers))
            for headers in (reader, reader, server.headers)
        ]
        assert len(server.services.authenticator._lapses) == 2  # one check for each credential
        await server.services.keys.revoke(admin, made.key.id)
        for watch in watches[:2]:
            (event,) = await events(watch, 1)
            assert (event["type"], event["object"]["code"]) == ("ERROR", 401)
            assert event["object"]["message"] == "the API key was revoked"
            async with asyncio.timeout(SECONDS):
                assert await watch.read() == b""
        await http.post(PLANS, json=plan("later"))
        assert names(await events(watches[2], 1)) == [("ADDED", "later")]
        watches[2].close()
        async with asyncio.timeout(SECONDS):
            while server.services.authenticator._lapses:
                await http.get(PLANS)


async def test_a_head_never_watches(server: ServerInProcess) -> None:
    loop = asyncio.get_running_loop()
    async with server.session() as http:
        await http.post(PLANS, json=plan("a"))
    url = URL(server.base_url)
    lines = (
        f"HEAD {PLANS}?watch=1 HTTP/1.1",
        "Host: localhost",
        "Connection: close",
        f"Authorization: Bearer {server.token}",
    )
    with socket.socket() as client:
        client.settimeout(0)
        await loop.sock_connect(client, (url.host, url.port))
        await loop.sock_sendall(client, ("\r\n".join(lines) + "\r\n\r\n").encode())
        head, _, body = (await rest_of(client)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert body == b""


async def test_a_watch_goes_with_its_client(server: ServerInProcess) -> None:
    open_watches = metrics.WATCHES.labels("Plan")
    async with server.session() as http:
        watch = await http.get(PLANS, params={"watch": "true"})
        assert value_of(open_watches) == 1
        watch.close()
        async with asyncio.timeout(SECONDS):
            while value_of(open_watches):
                await http.get(PLANS)


@pytest.mark.slow
async def test_a_server_that_stops_ends_its_watches(tmp_path: Path) -> None:
    """Also one that waits for a version to come, and one whose client has stopped to read."""
    async with aiohttp.ClientSession() as http:
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(running_server(tmp_path))
            url, waiting = server.base_url + PLANS, {"watch": "true", "resourceVersion": "1000"}
            await fill(server, 100)
            stalled = await stalled_watch(server)
            recent = {"watch": "true", "resourceVersion": "100"}
            watch = await http.get(url, params=recent, headers=server.headers)
            early = await http.get(url, params=waiting, headers=server.headers)
            async with asyncio.timeout(GRACE_SECONDS / 2):
                await stack.aclose()
        async with asyncio.timeout(SECONDS):
            assert await watch.read() == b""
            assert await early.read() == b""
        stalled.close()


async def test_a_watch_from_before_the_log_is_told_so(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server, server.session() as http:
        for name in "abc":
            await http.post(PLANS, json=plan(name))
    async with running_server(tmp_path) as server, server.session() as http:  # which has none of it in memory
        await compact(server)
        async with http.get(PLANS, params={"watch": "true", "resourceVersion": "2"}) as watch:
            (event,) = await events(watch, 1)
            assert await watch.content.readline() == b""
        assert event["type"] == "ERROR"
        assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
        assert event["object"]["message"] == "too old resource version: 2 (3)"
        async with http.get(PLANS, params={"watch": "true", "resourceVersion": "3"}) as watch:
            await http.delete(f"{PLANS}/a")
            assert names(await events(watch, 1)) == [("DELETED", "a")]


@pytest.mark.slow
async def test_a_slow_replay_that_the_log_overtakes_ends_with_an_error(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server:
        await fill(server, 300)
    async with running_server(tmp_path) as server:
        slow = await stalled_watch(server, resourceVersion="1")
        await compact(server)
        lines = (await rest_of(slow)).splitlines()
        slow.close()
    *replayed, last = [json.loads(line) for line in lines if line.startswith(b"{")]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in replayed]
    assert versions == list(range(2, len(versions) + 2))
    assert len(versions) < 299
    assert (last["type"], last["object"]["code"]) == ("ERROR", 410)


@pytest.mark.slow
async def test_a_client_that_stops_to_read_is_cut_off_and_holds_up_nobody(
    server: ServerInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "MAX_BEHIND", 1024 * 1024)
    open_watches = metrics.WATCHES.labels("Plan")
    slow = await stalled_watch(server)
    async with server.session() as http, http.get(PLANS, params={"watch": "true"}) as watch:
        count = 0
        while value_of(open_watches) == 2 and count < 400:
            await fill(server, 1, first=count)
            assert names(await events(watch, 1)) == [("ADDED", f"big-{count}")]
            count += 1
        assert value_of(open_watches) == 1
    slow.close()


async def stalled_watches(server: ServerInProcess, count: int, **parameters: str) -> list[socket.socket]:
    """Watches of which each has more to send than its client takes."""
    clients = [await stalled_watch(server, **parameters) for _ in range(count)]
    async with server.session() as http, asyncio.timeout(SECONDS):
        while len(watch_module._backlog._waiting) < count:
            await http.get(PLANS, params={"limit": "1"})
    return clients


@pytest.mark.slow
@pytest.mark.parametrize("parameters", [{}, {"resourceVersion": "1"}], ids=["state", "replay"])
async def test_nothing_is_kept_for_clients_that_do_not_read_but_what_they_are_sent_next(
    tmp_path: Path, parameters: dict[str, str]
) -> None:
    async with running_server(tmp_path) as server:
        await fill(server, 100)
    async with running_server(tmp_path) as server:  # whose feed has no window
        clients = await stalled_watches(server, 5, **parameters)
        gc.collect()
        kept = [each for each in gc.get_objects() if type(each) in {Resource, Change}]
        assert len(kept) < 5
        assert watch_module._backlog._total < 5 * 150_000
        for client in clients:
            client.close()


@pytest.mark.slow
async def test_who_waits_longest_is_cut_off_when_too_much_waits_for_all(
    server: ServerInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(server, 100)
    stalled = await stalled_watches(server, 8)
    watchers = list(watch_module._backlog._waiting)
    monkeypatch.setattr(watch_module, "MAX_WAITING", watch_module._backlog._total)
    stalled.append(await stalled_watch(server))
    async with server.session() as http, asyncio.timeout(SECONDS):
        while not watchers[0].done.is_set():
            await http.get(PLANS, params={"limit": "1"})
        async with http.get(PLANS, params={"watch": "true"}) as watch:
            assert len(await events(watch, 100)) == 100  # who reads is not among them
            await http.post(PLANS, json=plan("last"))
            assert names(await events(watch, 1)) == [("ADDED", "last")]
    cut_off = [watcher.done.is_set() for watcher in watchers]
    assert cut_off == sorted(cut_off, reverse=True)
    assert watch_module._backlog._total <= watch_module.MAX_WAITING
    for client in stalled:
        client.close()


@pytest.mark.slow
async def test_a_client_that_never_reads_the_state_goes_when_its_time_is_up(server: ServerInProcess) -> None:
    open_watches = metrics.WATCHES.labels("Plan")
    await fill(server, 100)
    stalled = await stalled_watch(server, timeoutSeconds="1")
    async with server.session() as http, asyncio.timeout(SECONDS):
        while value_of(open_watches):
            await http.get(PLANS, params={"limit": "1"})
    stalled.close()


@pytest.mark.slow
async def test_one_write_reaches_a_thousand_watches(server: ServerInProcess) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(server.base_url, headers=server.headers, connector=connector) as http:
        opened = [await http.get(PLANS, params={"watch": "true"}) for _ in range(1000)]
        await http.post(PLANS, json=plan("a"))
        seen = await asyncio.gather(*(events(watch, 1) for watch in opened))
        for watch in opened:
            watch.close()
    assert all(names(each) == [("ADDED", "a")] for each in seen)
