"""A large document is computed on a thread, and the server answers others in the meantime."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from tenantry.services import candidate
from tests.support.server import running_server

CONFIG = "/apis/tenantry.dev/v1alpha1/namespaces/default/configs/web"
CONTENT = {"Content-Type": "application/apply-patch+yaml"}


def config(flags: int) -> str:
    flag = {"type": "boolean", "variants": {"on": True, "off": False}, "defaultVariant": "on"}
    spec = {"configSet": "web", "scope": {"global": {}}, "flags": {f"flag-{number}": flag for number in range(flags)}}
    return yaml.safe_dump(
        {"apiVersion": "tenantry.dev/v1alpha1", "kind": "Config", "metadata": {"name": "web"}, "spec": spec}
    )


@pytest.mark.parametrize(("flags", "thread"), [(1, "MainThread"), (400, "offload_0")])
async def test_a_large_document_leaves_the_loop_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: int, thread: str
) -> None:
    at_work, go_on = threading.Event(), threading.Event()
    threads = []
    apply = candidate.apply

    def observed(*args: Any, **options: Any) -> candidate.Candidate:
        threads.append(threading.current_thread().name)
        if flags > 1:
            at_work.set()
            assert go_on.wait(10)
        return apply(*args, **options)

    monkeypatch.setattr(candidate, "apply", observed)
    async with running_server(tmp_path) as server, server.session() as session:
        url = f"{server.base_url}{CONFIG}?fieldManager=me"
        applying = asyncio.create_task(session.patch(url, data=config(flags), headers=CONTENT))
        if flags > 1:
            assert await asyncio.to_thread(at_work.wait, 10)
            async with session.get(f"{server.base_url}/v1/me") as meanwhile:
                assert meanwhile.status == 200
            go_on.set()
        async with await applying as answer:
            assert answer.status == 201, await answer.text()
    assert threads == [thread]
