"""The probe of the image's HEALTHCHECK."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from tenantry.settings import Settings
from tenantry.web import server as server_module
from tests.cluster.processes import free_port
from tests.support.server import ServerInProcess


async def probe(port: int | None, host: str = "127.0.0.1") -> tuple[int, str]:
    """Its exit code and what it printed."""
    environment = os.environ | {"TENANTRY_OPS_PORT": str(port), "TENANTRY_HOST": host}
    command = [sys.executable, "-m", "tenantry.probe"]
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


async def test_a_ready_server_is_healthy(server: ServerInProcess) -> None:
    port = urlsplit(server.ops_url).port
    ready = (0, "[+]shutdown ok\n[+]background ok\n[+]database ok\n[+]signing-keys ok\nreadyz check passed\n")
    assert await probe(port) == ready
    assert await probe(port, "0.0.0.0") == ready  # noqa: S104 - what a container listens on


async def test_a_server_that_waits_is_not_and_says_why(tmp_path: Path) -> None:
    url = f"mysql://u:p@127.0.0.1:{free_port()}/x"
    settings = Settings(data_dir=tmp_path, port=0, tls_port=0, ops_port=0, database_url=url)
    async with server_module.run(settings) as running:
        code, said = await probe(urlsplit(running.ops_url).port)
    assert code == 1
    assert "[-]database failed: the database at 127.0.0.1:" in said


async def test_no_server_is_not_and_says_where_it_looked() -> None:
    port = free_port()
    assert await probe(port) == (1, f"port {port} of 127.0.0.1: [Errno 111] Connection refused\n")


def test_it_loads_nothing_of_others() -> None:
    script = "import sys, tenantry.probe; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "socket" in loaded
    assert (
        loaded & {"aiohttp", "asyncio", "click", "http", "ssl", "urllib", "tenantry.settings", "tenantry.model"}
        == set()
    )
