"""A server killed with -9 under concurrent applies: what it has acknowledged is there, once, after the restart."""

import asyncio
import itertools
import signal
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from tenantry.model.resource import Change, Resource, Verb
from tenantry.services import worker
from tenantry.storage import audit, changes, leases, resources, revisions
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit
from tests.support.databases import opened
from tests.support.server import ServerProcess, server_process

ROOT = "/apis/tenantry.dev/v1alpha1"
APPLY = {"Content-Type": "application/apply-patch+yaml"}
MERGE = {"Content-Type": "application/merge-patch+json"}
WRITERS = 16
ENOUGH = 150  # acknowledged writes before a kill
ALL = 100_000
SECONDS = 100


@dataclass
class Writers:
    """Sixteen clients, each with tenants of its own, and what was acknowledged to them."""

    versions: dict[str, int] = field(default_factory=dict)  # of what is there
    gone: set[str] = field(default_factory=set)  # names of what was deleted
    deleting: set[str] = field(default_factory=set)  # asked to be deleted, without an answer
    acknowledged: int = 0
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def run(self, server: ServerProcess) -> None:
        """Write until the server is killed, which is done once enough was acknowledged."""
        until = self.acknowledged + ENOUGH
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(server.base_url, headers=server.headers, connector=connector) as http:
            writers = [asyncio.create_task(self._write(http)) for _ in range(WRITERS)]
            while self.acknowledged < until and not any(writer.done() for writer in writers):
                await asyncio.wait(writers, timeout=0.01)
            server.process.send_signal(signal.SIGKILL)
            ends = await asyncio.gather(*writers, return_exceptions=True)
        assert all(isinstance(end, aiohttp.ClientError) for end in ends), ends
        assert await server.process.wait() == -signal.SIGKILL

    async def _write(self, http: aiohttp.ClientSession) -> None:
        for number in self.numbers:
            name = f"t-{number}"
            path = f"{ROOT}/tenants/{name}"
            for hostnames in ([], [f"{name}.example.com"]):
                document = tenant(name, "pro", hostnames)
                parameters = {"fieldManager": "test"}
                await self._send(http.patch(path, params=parameters, json=document, headers=APPLY), name)
            await self._send(http.patch(path, json={"metadata": {"labels": {"a": "b"}}}, headers=MERGE), name)
            if number % 3 == 0:
                self.deleting.add(name)
                await self._send(http.delete(path), name)
                self.gone.add(name)
                del self.versions[name]

    async def _send(self, request: Any, name: str) -> None:
        async with request as answer:
            body = await answer.json()
        assert answer.status in {200, 201}, body
        self.acknowledged += 1
        if body["kind"] == "Tenant":
            self.versions[name] = int(body["metadata"]["resourceVersion"])


def tenant(name: str, plan: str, hostnames: list[str]) -> dict[str, Any]:
    spec = {"displayName": name, "planRef": {"name": plan}, "hostnames": hostnames}
    return {"apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": name}, "spec": spec}


def check(unit: Unit, writers: Writers) -> None:
    """Everything acknowledged is there, and log, revisions and audit tell of everything once.

    The unit reads a snapshot: what was on its way when the server was killed may still be committed.
    """
    log = changes.read(unit, 0, ALL)
    assert [change.seq for change in log] == list(range(1, len(log) + 1))
    found = {item.name: item for item in resources.page(unit, "Tenant", limit=ALL)}
    assert changes.current_seq(unit) == len(log)
    for name, version in writers.versions.items():
        assert name in found or name in writers.deleting, name
        assert name not in found or found[name].seq >= version
    assert not writers.gone & found.keys()
    newest = {change.name: change for change in log if change.kind == "Tenant"}
    assert {name: change.object for name, change in newest.items() if change.verb is not Verb.DELETED} == {
        name: item.to_json() for name, item in found.items()
    }
    check_audit(unit, log)
    check_revisions(unit, log, found)


def check_audit(unit: Unit, log: list[Change]) -> None:
    """Each change by a client has one audit row, and no row tells of a change that is not there."""
    rows = audit.page(unit, limit=ALL)
    told = [(row.seq, row.name) for row in rows if row.kind in {"Tenant", "Plan"}]
    assert len(set(told)) == len(told)
    assert set(told) == {(change.seq, change.name) for change in log} - by_worker(log)


def by_worker(log: list[Change]) -> set[tuple[int, str]]:
    """Changes that nobody asked for: they follow from other objects, and change nothing but the status."""
    found = set()
    before: dict[str, Any] = {}
    for change in log:
        document = orjson.loads(change.object)
        del document["metadata"]["resourceVersion"]
        document.pop("status", None)
        if change.verb is Verb.MODIFIED and document == before[change.uid]:
            found.add((change.seq, change.name))
        before[change.uid] = document
    return found


def check_revisions(unit: Unit, log: list[Change], found: dict[str, Resource]) -> None:
    """The revisions of each name are 1, 2, 3..., one for each spec that the log shows, the last one the present one."""
    specs: defaultdict[str, list[Any]] = defaultdict(list)
    identity = {}
    for change in log:
        if change.kind == "Tenant" and change.verb is not Verb.DELETED:
            document = orjson.loads(change.object)
            identity[change.name] = document["status"]["tenantID"]
            if document["spec"] not in specs[change.name][-1:]:
                specs[change.name].append(document["spec"])
    for name, wanted in specs.items():
        rows = revisions.page(unit, ("Tenant", "", name, identity[name]), limit=ALL)
        assert [row.revision for row in rows] == list(range(len(rows), 0, -1))
        assert [orjson.loads(row.doc) for row in reversed(rows)] == wanted
        assert name not in found or rows[0].doc == found[name].spec


@pytest.mark.slow
async def test_what_a_killed_server_acknowledged_is_there_once(tmp_path: Path, database_url: str) -> None:
    environment = {"TENANTRY_DATABASE_URL": database_url}
    writers = Writers()
    async with asyncio.timeout(SECONDS), opened(database_url) as database:
        for _ in range(2):  # the second one finds what the first one left
            async with server_process(tmp_path, environment) as server:
                await put_plan(server, "Pro")
                await writers.run(server)
            await database.run(check, writers, snapshot=True, timeout=SECONDS)
        assert len(writers.versions) > WRITERS
        assert writers.gone
        before = await database.run(leases.get, worker.LEASE)
        assert before is not None
        async with server_process(tmp_path, environment) as server:
            await put_plan(server, "Pro Plus")
            await wait_for_worker(server, database)
        after = await database.run(leases.get, worker.LEASE)
        assert after is not None
        assert after.token > before.token
        assert after.holder != before.holder
        await database.run(check, writers, snapshot=True, timeout=SECONDS)


async def put_plan(server: ServerProcess, title: str) -> None:
    document = {
        "apiVersion": "tenantry.dev/v1alpha1",
        "kind": "Plan",
        "metadata": {"name": "pro"},
        "spec": {"displayName": title},
    }
    parameters = {"fieldManager": "test"}
    async with (
        server.session() as http,
        http.patch(f"{ROOT}/plans/pro", params=parameters, json=document, headers=APPLY) as answer,
    ):
        assert answer.status in {200, 201}, await answer.text()


async def wait_for_worker(server: ServerProcess, database: Database) -> None:
    """Watch the tenants until each shows the plan's last revision, which only the holder of the lease can bring."""
    left = {item.name for item in await database.run(lambda unit: resources.page(unit, "Tenant", limit=ALL))}
    async with server.session() as http, http.get(f"{ROOT}/tenants", params={"watch": "true"}) as watch:
        while left:
            event = orjson.loads(await watch.content.readline())
            if event["object"]["status"].get("plan", {}).get("revision") == 2:
                left.discard(event["object"]["metadata"]["name"])
