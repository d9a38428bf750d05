"""Independent clients against the API: the official Python client, and kopf. Nothing in either knows of Tenantry."""

import asyncio
import contextlib
import json
import os
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from kubernetes import config, watch
from kubernetes.client import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ConflictError, NotFoundError

from tenantry.model import ids
from tenantry.storage import changes
from tests.support.databases import opened
from tests.support.server import ServerProcess, server_process

pytestmark = pytest.mark.slow

API_VERSION = "tenantry.dev/v1alpha1"
MERGE = "application/merge-patch+json"
OPERATOR = Path(__file__).resolve().parents[1] / "support/kopf_operator.py"
FINALIZER = "example.com/kopf"
SECONDS = 60


def plan(name: str, title: str = "", **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "Plan",
        "metadata": {"name": name, **({"labels": labels} if labels else {})},
        "spec": {"displayName": title or name},
    }


def tenant(name: str, title: str = "Acme") -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "Tenant",
        "metadata": {"name": name},
        "spec": {"displayName": title, "planRef": {"name": "pro"}},
    }


@contextmanager
def dynamic_client(server: ServerProcess, folder: Path) -> Iterator[DynamicClient]:
    with config.new_client_from_config(str(server.kubeconfig)) as client:
        yield DynamicClient(client, cache_file=str(folder / "discovery"))


def names(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["type"], event["raw_object"]["metadata"]["name"]) for event in events]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """A server in a process of its own, as these clients know it."""
    async with server_process(tmp_path) as running:
        yield running


async def test_the_dynamic_client_reads_and_writes(server: ServerProcess, tmp_path: Path) -> None:
    def converse() -> None:
        with dynamic_client(server, tmp_path) as client:
            plans = client.resources.get(api_version=API_VERSION, kind="Plan")
            assert client.resources.get(short_names=["tnt"]).kind == "Tenant"
            made = plans.create(body=plan("pro", ring="a"))
            assert made.metadata.generation == 1
            with pytest.raises(ConflictError):
                plans.create(body=plan("pro"))
            assert plans.get(name="pro").spec.displayName == "pro"
            patched = plans.patch(name="pro", body={"spec": {"displayName": "Pro"}}, content_type=MERGE)
            assert (patched.spec.displayName, patched.metadata.generation) == ("Pro", 2)
            stale = made.to_dict()
            with pytest.raises(ConflictError):
                plans.replace(name="pro", body=stale)
            fresh = patched.to_dict()
            fresh["spec"]["maxMembers"] = 7
            assert plans.replace(name="pro", body=fresh).spec.maxMembers == 7
            for number in range(5):
                plans.create(body=plan(f"plan-{number}", ring="b"))
            first = plans.get(label_selector="ring=b", limit=3)
            rest = plans.get(label_selector="ring=b", limit=3, _continue=first.metadata["continue"])
            assert [item.metadata.name for item in [*first.items, *rest.items]] == [f"plan-{n}" for n in range(5)]
            assert rest.metadata.resourceVersion == first.metadata.resourceVersion
            assert plans.delete(name="plan-0").status == "Success"
            with pytest.raises(NotFoundError):
                plans.get(name="plan-0")

    await asyncio.to_thread(converse)


async def test_the_dynamic_client_applies_with_owners_of_fields(server: ServerProcess, tmp_path: Path) -> None:
    def converse() -> None:
        with dynamic_client(server, tmp_path) as client:
            plans = client.resources.get(api_version=API_VERSION, kind="Plan")
            plans.server_side_apply(body=plan("pro", "Pro", ring="a"), field_manager="first")
            with pytest.raises(ConflictError) as conflict:
                plans.server_side_apply(body=plan("pro", "Professional"), field_manager="second")
            (cause,) = json.loads(conflict.value.body or "")["details"]["causes"]
            assert (cause["field"], cause["message"]) == (".spec.displayName", 'conflict with "first"')
            forced = plans.server_side_apply(
                body=plan("pro", "Professional"), field_manager="second", force_conflicts=True
            )
            assert {entry.manager: entry.operation for entry in forced.metadata.managedFields} == {
                "first": "Apply",
                "second": "Apply",
            }
            configs = client.resources.get(api_version=API_VERSION, kind="Config")
            spec = {"configSet": "web", "scope": {"tenant": {"ref": "acme"}}, "values": {"seats": 5}}
            body = {"apiVersion": API_VERSION, "kind": "Config", "metadata": {"name": "web"}, "spec": spec}
            applied = configs.server_side_apply(body=body, namespace="team", field_manager="first")
            assert (applied.metadata.namespace, applied.spec["values"].seats) == ("team", 5)
            assert [item.metadata.name for item in configs.get().items] == ["web"]

    await asyncio.to_thread(converse)


async def test_the_dynamic_client_watches_and_resumes(server: ServerProcess, tmp_path: Path) -> None:
    def converse() -> None:
        with dynamic_client(server, tmp_path) as client:
            plans = client.resources.get(api_version=API_VERSION, kind="Plan")
            version = plans.create(body=plan("a")).metadata.resourceVersion
            seen: list[dict[str, Any]] = []

            def follow(resource_version: str, count: int) -> str:
                watcher = watch.Watch()
                for event in plans.watch(resource_version=resource_version, timeout=SECONDS, watcher=watcher):
                    seen.append(event)
                    if len(seen) == count:
                        watcher.stop()
                last: str = seen[-1]["raw_object"]["metadata"]["resourceVersion"]
                return last

            writer = threading.Thread(target=lambda: [plans.create(body=plan(name)) for name in "bcd"])
            writer.start()
            version = follow(version, 2)
            writer.join()
            plans.delete(name="b")
            follow(version, 4)
            assert names(seen) == [("ADDED", "b"), ("ADDED", "c"), ("ADDED", "d"), ("DELETED", "b")]
            listed = list(plans.watch(timeout=1, watcher=watch.Watch()))
            assert names(listed) == [("ADDED", "a"), ("ADDED", "c"), ("ADDED", "d")]

    await asyncio.to_thread(converse)


async def test_the_official_client_is_told_that_its_version_is_too_old(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server, server.session() as http:
        for name in "abc":
            await http.post(f"/apis/{API_VERSION}/plans", json=plan(name))
    async with opened(f"sqlite:///{server.data_dir}/tenantry.db") as database:
        await database.run(changes.compact, ids.now_micros(), 0, write=True)
    async with server_process(tmp_path) as server:

        def converse() -> None:
            with dynamic_client(server, tmp_path) as client:
                plans = client.resources.get(api_version=API_VERSION, kind="Plan")
                with pytest.raises(ApiException) as expired:
                    list(plans.watch(resource_version="1", timeout=SECONDS, watcher=watch.Watch()))
                assert expired.value.status == 410

        await asyncio.to_thread(converse)


@asynccontextmanager
async def kopf_operator(server: ServerProcess, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The operator in a process of its own, which knows of the API by its kubeconfig alone."""
    with (folder / "operator.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "kopf", "run", "--standalone", "--all-namespaces", str(OPERATOR)),
            env={**os.environ, "KUBECONFIG": str(server.kubeconfig)},
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def told(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    said: dict[str, Any] = json.loads(await process.stdout.readline())
    return said


async def test_kopf_runs_against_the_api(server: ServerProcess, tmp_path: Path) -> None:
    tenants, acme = f"/apis/{API_VERSION}/tenants", f"/apis/{API_VERSION}/tenants/acme"
    media = {"Content-Type": MERGE}
    async with asyncio.timeout(SECONDS), server.session() as http:
        await http.post(tenants, json=tenant("early"))
        async with kopf_operator(server, tmp_path) as operator:
            assert await told(operator) == {"event": "created", "name": "early", "title": "Acme"}
            async with http.get(tenants, params={"watch": "true", "fieldSelector": "metadata.name=acme"}) as events:
                await http.post(tenants, json=tenant("acme"))
                assert await told(operator) == {"event": "created", "name": "acme", "title": "Acme"}
                seen: list[dict[str, Any]] = []
                while "example.com/seen" not in (seen and seen[-1]["object"]["metadata"].get("labels", {})):
                    seen.append(json.loads(await events.content.readline()))
                held = seen[-1]["object"]["metadata"]
                assert held["finalizers"] == [FINALIZER]
                assert [name for name in held["annotations"] if name.startswith("kopf.example.com/")]
                assert held["generation"] == 1  # finalizers, labels and annotations are no spec

                await http.patch(acme, json={"spec": {"displayName": "Acme GmbH"}}, headers=media)
                changed = [["change", ["displayName"], "Acme", "Acme GmbH"]]
                assert await told(operator) == {"event": "updated", "name": "acme", "diff": changed}
                async with http.delete(acme) as answer:
                    assert (await answer.json())["metadata"]["deletionTimestamp"]
                assert await told(operator) == {"event": "deleted", "name": "acme", "finalizers": [FINALIZER]}
                while seen[-1]["type"] != "DELETED":
                    seen.append(json.loads(await events.content.readline()))
        assert [event["type"] for event in seen] == ["ADDED", *["MODIFIED"] * (len(seen) - 2), "DELETED"]
        async with http.get(acme) as answer:
            assert answer.status == 404
        async with http.get(f"{tenants}/early") as answer:  # an operator that stops leaves its finalizers
            assert (await answer.json())["metadata"]["finalizers"] == [FINALIZER]
