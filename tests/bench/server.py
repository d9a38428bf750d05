"""A server in a process of its own, with the baseline beside its routes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web

from tenantry.model.permissions import Permission
from tenantry.settings import read_settings
from tenantry.web.app import ROUTES
from tenantry.web.routes import Cookie, Route
from tenantry.web.server import run

_START_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Target:
    """Where the server under load is."""

    url: str
    ops_url: str
    token: str
    pid: int
    backend: str
    database_url: str
    data_dir: Path


async def _constant(request: web.Request) -> web.Response:
    """Baseline C: constant bytes of the wanted length behind the same middleware."""
    return web.Response(body=b"x" * int(request.match_info["size"]), content_type="application/json")


BASELINES = (
    Route("GET", "/bench/constant/{size}", _constant, needs=Permission.RESOURCES_READ),
    Route("GET", "/bench/public/{size}", _constant, needs=Permission.PUBLIC, session=Cookie.COUNTS),  # not for free
)


async def _serve() -> None:
    async with run(read_settings(os.environ), (*ROUTES, *BASELINES)) as server:
        await server.started.wait()
        print(server.url, server.ops_url, flush=True)
        await asyncio.Event().wait()


@asynccontextmanager
async def serving(backend: str, database_url: str = "") -> AsyncIterator[Target]:
    """A fresh server process over ``database_url``, or over a SQLite file of its own."""
    with tempfile.TemporaryDirectory(prefix="tenantry-bench-") as folder:
        data_dir = Path(folder)
        settings = {
            "TENANTRY_DATA_DIR": folder,
            "TENANTRY_DATABASE_URL": database_url,
            "TENANTRY_TRUSTED_PROXIES": "127.0.0.1/32",
            "TENANTRY_PORT": "0",
            "TENANTRY_TLS_PORT": "0",
            "TENANTRY_OPS_PORT": "0",
            "TENANTRY_RATE_LIMIT": "100000",  # counted, and never too many
            "TENANTRY_RATE_LIMIT_ANONYMOUS": "100000",
        }
        environment = {**os.environ, **settings}
        if database_url:
            migrate = [sys.executable, "-m", "tenantry", "migrate"]
            subprocess.run(migrate, env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: ASYNC221
        process = subprocess.Popen(  # noqa: ASYNC220 - before the clock starts
            [sys.executable, "-m", "tests.bench.server"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=(data_dir / "server.log").open("wb"),
            text=True,
        )
        try:
            assert process.stdout is not None
            async with asyncio.timeout(_START_SECONDS):
                line = await asyncio.to_thread(process.stdout.readline)
            url, ops_url = line.split()
            token = (data_dir / "admin-token").read_text().strip()
            stored = database_url or f"sqlite:///{data_dir}/tenantry.db"
            yield Target(url, ops_url, token, process.pid, backend, stored, data_dir)
        finally:
            process.terminate()
            process.wait(_START_SECONDS)


def session(target: Target) -> aiohttp.ClientSession:
    """An ordinary client of ``target``."""
    return aiohttp.ClientSession(target.url, headers={"Authorization": f"Bearer {target.token}"})


if __name__ == "__main__":
    asyncio.run(_serve())
