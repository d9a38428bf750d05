"""The whole server for tests: in this process, or as `tenantry serve` in one of its own; always on free ports.

Tests that need no setting of their own take the fixture `server`.
"""

import asyncio
import os
import re
import ssl
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tenantry.settings import Settings
from tenantry.web.app import ROUTES
from tenantry.web.routes import Route
from tenantry.web.server import run
from tenantry.wiring import Services
from tests.support.migrated import place_database

START_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """Where a server is and how to speak to it. URLs have no trailing slash."""

    base_url: str
    tls_url: str
    ops_url: str
    data_dir: Path

    @property
    def ca(self) -> Path:
        """The CA certificate that signed the server's."""
        return self.data_dir / "ca.crt"

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig that the server wrote."""
        return self.data_dir / "kubeconfig"

    @property
    def token(self) -> str:
        """The local administrator's token."""
        return (self.data_dir / "admin-token").read_text()

    @property
    def headers(self) -> dict[str, str]:
        """What a request of the local administrator carries."""
        return {"Authorization": f"Bearer {self.token}"}

    def session(self, *, anonymous: bool = False) -> aiohttp.ClientSession:
        """A client of the plain HTTP listener, by default with the local administrator's token."""
        return aiohttp.ClientSession(self.base_url, headers={} if anonymous else self.headers)

    def tls(self) -> ssl.SSLContext:
        """A context that trusts this server's CA and no other."""
        return ssl.create_default_context(cafile=self.ca)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInProcess(RunningServer):
    """A server in this process; its services can be looked into."""

    services: Services


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerProcess(RunningServer):
    """A server in a process of its own."""

    process: asyncio.subprocess.Process
    log: Path
    output: str  # what it printed until it was ready


@asynccontextmanager
async def running_server(
    tmp_path: Path, routes: Iterable[Route] = ROUTES, **settings: Any
) -> AsyncIterator[ServerInProcess]:
    """A server in this process with its data below `tmp_path`, once it is ready."""
    settings = {
        "data_dir": tmp_path / "data",
        "port": 0,
        "tls_port": 0,
        "ops_port": 0,
        "rate_limit": 0,
        "rate_limit_anonymous": 0,
        **settings,
    }
    if "database_url" in settings:
        _share_key(Path(settings["data_dir"]))
    else:
        await place_database(Path(settings["data_dir"]) / "tenantry.db")
    async with run(Settings(**settings), routes) as server:
        async with asyncio.timeout(START_SECONDS):
            await server.started.wait()
        yield ServerInProcess(
            base_url=server.url,
            tls_url=server.tls_url,
            ops_url=server.ops_url,
            data_dir=server.services.directory.path,
            services=server.services,
        )


@asynccontextmanager
async def server_process(tmp_path: Path, environment: Mapping[str, str] | None = None) -> AsyncIterator[ServerProcess]:
    """`tenantry serve` with its data below `tmp_path`, once it has printed where its kubeconfig is.

    `environment` holds settings as variables. At the end the process is stopped by SIGTERM, if it still runs.
    """
    log, data_dir = tmp_path / "server.log", tmp_path / "data"
    settings = {
        "DATA_DIR": str(data_dir),
        "PORT": "0",
        "TLS_PORT": "0",
        "OPS_PORT": "0",
        "RATE_LIMIT": "0",
        "RATE_LIMIT_ANONYMOUS": "0",
    }
    variables = {f"TENANTRY_{name}": value for name, value in settings.items()} | dict(environment or {})
    if "TENANTRY_DATABASE_URL" in variables:
        _share_key(Path(variables["TENANTRY_DATA_DIR"]))
    else:
        await place_database(Path(variables["TENANTRY_DATA_DIR"]) / "tenantry.db")
    with log.open("ab") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tenantry",
            "serve",
            env={**os.environ, **variables},
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
        )
    try:
        async with asyncio.timeout(START_SECONDS):
            output = await _read_until_ready(process)
        if "kubeconfig" not in output:
            raise RuntimeError(f"the server ended with {await process.wait()}: {log.read_text()}")
        yield ServerProcess(
            base_url=_url(output, "HTTP "),
            tls_url=_url(output, "HTTPS"),
            ops_url=_url(output, "Metrics").removesuffix("/metrics"),
            data_dir=data_dir,
            process=process,
            log=log,
            output=output,
        )
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(START_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


@asynccontextmanager
async def server_processes(tmp_path: Path, database_url: str, **settings: str) -> AsyncIterator[list[ServerProcess]]:
    """Two server processes on one database; `settings` are variables without their prefix.

    On SQLite one server is meant for a file, which two must not break all the same.
    """
    environment = {f"TENANTRY_{name}": value for name, value in {"DATABASE_URL": database_url, **settings}.items()}
    async with AsyncExitStack() as stack:
        found = []
        for number in range(2):
            folder = tmp_path / f"replica-{number}"
            folder.mkdir()
            found.append(await stack.enter_async_context(server_process(folder, environment)))
        yield found


def _share_key(data_dir: Path) -> None:
    """Put there the key of all servers that may be over one database: with another one none would start."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    (data_dir / "encryption-key").write_text(b64encode(b"k" * 32).decode())


async def _read_until_ready(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    output = ""
    while "get tenants\n" not in output and (line := await process.stdout.readline()):
        output += line.decode()
    return output


def _url(output: str, label: str) -> str:
    found = re.search(rf"{label}\s+(\S+)", output)
    return found[1] if found else ""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerInProcess]:
    """A server with its own empty SQLite database."""
    async with running_server(tmp_path) as running:
        yield running
