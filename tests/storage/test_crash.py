"""Every acknowledged write survives a kill -9, of the process that writes and of the server that stores."""

import asyncio
import itertools
import os
import signal
import sys
from pathlib import Path

import pytest

from tenantry.model.errors import TenantryError
from tenantry.storage import changes, resources
from tenantry.storage.db import Database
from tests.cluster.databases import DatabaseServer
from tests.storage.samples import create, tenant
from tests.support.databases import emptied, opened

ROOT = Path(__file__).resolve().parents[2]
WRITERS = 16
ENOUGH = 100  # acknowledged writes before the kill


async def write_for_ever(url: str) -> None:
    """Create tenants with sixteen writers, and print each name once its unit is committed."""
    async with opened(url) as database:
        numbers = itertools.count()

        async def write() -> None:
            for number in numbers:
                (stored,) = await database.run(create, tenant(f"t-{os.getpid()}-{number}"), write=True)
                os.write(1, f"{stored.name} {stored.seq}\n".encode())

        await asyncio.gather(*(write() for _ in range(WRITERS)))


async def check(database: Database, acknowledged: dict[str, int]) -> None:
    """Everything acknowledged is there, and the log tells of everything once, in order."""
    log = await database.run(changes.read, 0, 100_000)
    assert [change.seq for change in log] == list(range(1, len(log) + 1))
    assert acknowledged.items() <= {change.name: change.seq for change in log}.items()
    stored = await database.run(lambda unit: resources.page(unit, "Tenant", limit=100_000))
    assert {item.name: item.seq for item in stored} == {change.name: change.seq for change in log}
    assert await database.run(changes.current_seq) == len(log)


@pytest.mark.slow  # starts a program anew
async def test_a_killed_process_loses_no_acknowledged_write(database_url: str) -> None:
    acknowledged: dict[str, int] = {}
    for _ in range(2):  # the second one finds what the first one left
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.storage.test_crash", database_url, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        lines = [(await process.stdout.readline()).split() for _ in range(ENOUGH)]
        process.send_signal(signal.SIGKILL)
        lines += [line.split() for line in (await process.stdout.read()).splitlines()]
        assert await process.wait() == -signal.SIGKILL
        acknowledged |= {name.decode(): int(seq) for name, seq in lines}
        async with opened(database_url) as database:
            await check(database, acknowledged)


async def test_a_killed_server_loses_no_acknowledged_write(database_server: DatabaseServer) -> None:
    acknowledged: dict[str, int] = {}
    numbers = itertools.count()
    killed = asyncio.Event()

    async def write(database: Database) -> None:
        for number in numbers:
            try:
                (stored,) = await database.run(create, tenant(f"t-{number}"), write=True)
            except TenantryError:
                if killed.is_set():
                    return
                raise
            acknowledged[stored.name] = stored.seq
            if len(acknowledged) == ENOUGH:
                database_server.kill9()
                killed.set()

    async with opened(await emptied(database_server)) as database:
        await asyncio.gather(*(write(database) for _ in range(WRITERS)))
        database_server.restart()
        await check(database, acknowledged)
        await database.run(create, tenant("later"), write=True)
        await check(database, acknowledged | {"later": await database.run(changes.current_seq)})


if __name__ == "__main__":
    asyncio.run(write_for_ever(sys.argv[1]))
