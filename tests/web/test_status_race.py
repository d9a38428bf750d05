"""Status under concurrency: tenants come while their plan changes, and each ends with what the plan is in the end."""

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.server import server_process

ROOT = "/apis/tenantry.dev/v1alpha1"
MERGE = {"Content-Type": "application/merge-patch+json"}
SECONDS = 60
TENANTS = 120
EDITS = 60


def document(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    spec = {"displayName": name, **spec}
    return {"apiVersion": "tenantry.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


@pytest.mark.slow  # starts a program anew
async def test_every_tenant_ends_with_the_last_revision_of_its_plan(tmp_path: Path, database_url: str) -> None:
    async with AsyncExitStack() as stack:
        clients = []
        for number in range(1 if database_url.startswith("sqlite") else 2):
            folder = tmp_path / f"replica-{number}"
            folder.mkdir()
            server = await stack.enter_async_context(server_process(folder, {"TENANTRY_DATABASE_URL": database_url}))
            session = aiohttp.ClientSession(server.base_url, headers=server.headers)
            clients.append(await stack.enter_async_context(session))
        first, last = clients[0], clients[-1]

        async def create(numbers: range) -> None:
            for number in numbers:
                spec = {"planRef": {"name": "pro"}, "namespaces": [{"name": "a"}, {"name": "b"}]}
                async with last.post(f"{ROOT}/tenants", json=document("Tenant", f"t-{number}", **spec)) as answer:
                    assert answer.status == 201, await answer.text()

        async def edit() -> int:
            revision = 0
            for number in range(EDITS):
                patch = {"spec": {"maxNamespaces": 1 + number % 2}}  # the last edit allows what they ask for
                async with first.patch(f"{ROOT}/plans/pro", json=patch, headers=MERGE) as answer:
                    assert answer.status == 200, await answer.text()
                    revision = (await answer.json())["status"]["revision"]
            return revision

        async with asyncio.timeout(SECONDS):
            await first.post(f"{ROOT}/plans", json=document("Plan", "pro"))
            *_, revision = await asyncio.gather(*(create(range(n, TENANTS, 8)) for n in range(8)), edit())
            left = {f"t-{number}" for number in range(TENANTS)}
            async with first.get(f"{ROOT}/tenants", params={"watch": "true"}) as watch:
                while left:
                    shown = json.loads(await watch.content.readline())["object"]
                    ready = shown["status"]["conditions"][0]
                    if shown["status"]["plan"]["revision"] == revision and ready["status"] == "True":
                        left.discard(shown["metadata"]["name"])
                    else:
                        left.add(shown["metadata"]["name"])
            async with first.get(
                f"{ROOT}/plans", params={"watch": "true", "fieldSelector": "metadata.name=pro"}
            ) as watch:
                while json.loads(await watch.content.readline())["object"]["status"]["tenants"] != TENANTS:
                    pass
