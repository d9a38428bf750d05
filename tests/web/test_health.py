"""The second listener: probes and metrics."""

import asyncio
import socket
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tenantry.model.errors import Code, TenantryError
from tenantry.settings import Settings
from tenantry.storage import schema
from tenantry.web import server as server_module
from tests.cluster.databases import MariaDB
from tests.support.server import ServerInProcess, running_server

READY = "[+]shutdown ok\n[+]database ok\nreadyz check passed\n"


async def _get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def test_a_ready_server_says_what_it_checked(server: ServerInProcess) -> None:
    assert await _get(f"{server.ops_url}/readyz") == (200, READY)
    assert await _get(f"{server.ops_url}/startupz") == (200, "[+]startup ok\nstartupz check passed\n")
    assert await _get(f"{server.ops_url}/livez") == (200, "[+]background ok\nlivez check passed\n")


async def test_probes_and_metrics_are_not_where_clients_are(server: ServerInProcess) -> None:
    for path in ("/metrics", "/livez", "/readyz", "/startupz"):
        async with server.session() as session, session.get(path) as answer:
            assert answer.status == 404
    assert (await _get(f"{server.ops_url}/v1/me"))[0] == 404


async def test_a_lost_database_fails_readiness_with_the_reason_and_never_liveness(
    server: ServerInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise TenantryError(Code.UNAVAILABLE, "cannot reach db:3306")

    monkeypatch.setattr(server.services.db, "ready", refuse)
    status, text = await _get(f"{server.ops_url}/readyz")
    assert status == 503
    assert text == ("[+]shutdown ok\n[-]database failed: cannot reach db:3306\nreadyz check failed\n")
    monkeypatch.setattr(server.services.db, "administer", refuse)
    assert (await _get(f"{server.ops_url}/livez"))[0] == 200


async def test_a_server_waits_for_its_database_and_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    settings = Settings(
        data_dir=tmp_path, port=0, tls_port=0, ops_port=0, database_url=f"mysql://u:hunter2@127.0.0.1:{port}/x"
    )
    async with server_module.run(settings) as running:
        status, text = await _get(f"{running.ops_url}/readyz")
        assert status == 503
        assert "[-]database failed" in text
        assert "hunter2" not in text
        assert await _get(f"{running.ops_url}/startupz") == (
            503,
            "[-]startup failed: the server is starting\nstartupz check failed\n",
        )
        async with aiohttp.ClientSession() as session:
            headers = {"Authorization": "Bearer " + "x"}
            async with session.get(f"{running.url}/v1/me", headers=headers) as answer:
                assert answer.status == 401
        assert not running.started.is_set()
        assert not running.kubeconfig.exists()


@pytest.mark.database
async def test_a_database_without_its_schema_is_waited_for(tmp_path: Path, mariadb: MariaDB) -> None:
    mariadb.create_database("unmigrated")
    settings = Settings(data_dir=tmp_path, port=0, tls_port=0, ops_port=0, database_url=mariadb.url("unmigrated"))
    async with server_module.run(settings) as running:
        status, text = await _get(f"{running.ops_url}/readyz")
        assert status == 503
        assert "[-]database failed: its schema is at 0 and must be at " in text
        assert "run tenantry migrate" in text
        await schema.migrate(running.services.db)
        await running.started.wait()
        assert (await _get(f"{running.ops_url}/readyz"))[0] == 200
        assert running.kubeconfig.exists()


async def test_a_background_loop_that_dies_fails_liveness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    died = asyncio.Event()

    async def die(_: object) -> None:
        died.set()
        raise RuntimeError("died")

    monkeypatch.setattr("tenantry.services.worker.Worker.run", die)
    async with running_server(tmp_path) as server:
        await died.wait()
        assert await _get(f"{server.ops_url}/livez") == (
            503,
            "[-]background failed: background work has ended\nlivez check failed\n",
        )


async def test_readiness_fails_before_the_listeners_close(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, port=0, tls_port=0, ops_port=0, drain_seconds=300)
    context = server_module.run(settings)
    running = await context.__aenter__()
    await running.started.wait()
    stopping = asyncio.create_task(context.__aexit__(None, None, None))
    try:
        found = await _get(f"{running.ops_url}/readyz")
        while found[0] == 200:
            found = await _get(f"{running.ops_url}/readyz")
        assert "[-]shutdown failed: the server is stopping" in found[1]
        assert (await _get(f"{running.url}/v1/me"))[0] == 401  # it still answers
    finally:
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping


async def test_metrics_are_in_the_format_that_prometheus_reads(server: ServerInProcess) -> None:
    status, text = await _get(f"{server.ops_url}/metrics")
    assert status == 200
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["tenantry_build_info"].samples[0].labels == {"version": "0.1.0"}
    assert {"process_resident_memory_bytes", "tenantry_http_requests", "tenantry_db_unit_duration_seconds"} <= set(
        families
    )
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with aiohttp.ClientSession() as session, session.get(f"{server.ops_url}/metrics", headers=accept) as answer:
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
        assert (await answer.text()).endswith("# EOF\n")
