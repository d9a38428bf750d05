"""`tenantry migrate --wait`: a database that is not there yet is waited for, and the log says what it lacks."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.cluster.databases import MariaDB
from tests.cluster.processes import free_port
from tests.support.cli import run


@asynccontextmanager
async def migrating(url: str, folder: Path) -> AsyncIterator[tuple[Process, str]]:
    """A process that waits for a database, and the line in which it says so."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tenantry", "migrate", "--wait", "600"),
        env=os.environ | {"TENANTRY_DATABASE_URL": url, "TENANTRY_DATA_DIR": str(folder)},
        stdout=PIPE,
        stderr=PIPE,
    )
    assert process.stderr is not None
    try:
        yield process, (await process.stderr.readline()).decode()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.mark.database
async def test_it_goes_on_when_the_database_is_there(mariadb: MariaDB, tmp_path: Path) -> None:
    async with migrating(mariadb.url("awaited"), tmp_path) as (process, said):
        assert "waiting up to 600 s for the database: " in said
        assert "has no database 'awaited': CREATE DATABASE" in said
        mariadb.create_database("awaited")
        output, _ = await process.communicate()
        assert process.returncode == 0
        assert output.splitlines()[-1].startswith(b"the schema is at ")


@pytest.mark.slow  # starts a program anew
async def test_it_ends_when_it_is_told_to(tmp_path: Path) -> None:
    async with migrating(f"mysql://u@127.0.0.1:{free_port()}/x", tmp_path) as (process, said):
        assert "cannot be reached: Connection refused (error 2003)" in said
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 143


@pytest.mark.slow
def test_it_does_not_wait_for_ever(tmp_path: Path) -> None:
    settings = {"DATABASE_URL": f"mysql://u@127.0.0.1:{free_port()}/x", "DATA_DIR": str(tmp_path)}
    result = run("migrate", "--wait", "1", **settings)
    assert result.exit_code == 69
    assert result.stderr.splitlines()[-1].startswith("tenantry: the database at 127.0.0.1:")
