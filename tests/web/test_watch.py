"""Watches over real sockets: framing, replay, resume, selectors, and a thousand at once."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import Gauge

from tenantry import metrics
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


async def test_a_watch_ends_when_its_time_is_up(server: ServerInProcess) -> None:
    async with server.session() as http, http.get(PLANS, params={"watch": "true", "timeoutSeconds": "1"}) as watch:
        async with asyncio.timeout(SECONDS):
            assert await watch.read() == b""


async def test_a_watch_goes_with_its_client(server: ServerInProcess) -> None:
    open_watches = metrics.WATCHES.labels("Plan")
    async with server.session() as http:
        watch = await http.get(PLANS, params={"watch": "true"})
        assert value_of(open_watches) == 1
        watch.close()
        async with asyncio.timeout(SECONDS):
            while value_of(open_watches):
                await http.get(PLANS)


async def test_a_server_that_stops_ends_its_watches(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as http:
        async with running_server(tmp_path) as server:
            watch = await http.get(server.base_url + PLANS, params={"watch": "true"}, headers=server.headers)
        async with asyncio.timeout(SECONDS):
            assert await watch.read() == b""


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
