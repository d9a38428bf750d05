"""A server killed with -9 while it seals audit rows: the next goes on where it was, and the chains are whole."""

import asyncio
import signal
from pathlib import Path

import aiohttp
import pytest

from tenantry.datadir import DataDirectory
from tenantry.model.audit_chain import Seals
from tenantry.services.audit import check
from tenantry.services.encryption import open_encryption
from tenantry.settings import Settings
from tenantry.storage import audit_chains
from tests.support.databases import opened
from tests.support.server import server_process

TENANTS = "/apis/tenantry.dev/v1alpha1/tenants"
SECONDS = 60


@pytest.mark.slow
async def test_the_next_server_goes_on(tmp_path: Path, database_url: str) -> None:
    environment = {"TENANTRY_DATABASE_URL": database_url}
    rows = 0
    async with server_process(tmp_path, environment) as server, server.session() as http:

        async def write(number: int) -> None:
            body = {
                "apiVersion": "tenantry.dev/v1alpha1",
                "kind": "Tenant",
                "metadata": {"name": f"t-{number}"},
                "spec": {"displayName": "One", "planRef": {"name": "pro"}},
            }
            async with http.post(TENANTS, json=body) as answer:
                assert answer.status == 201

        async with opened(database_url) as database, asyncio.timeout(SECONDS):
            sealed = False
            while not sealed:  # until it is at it
                await asyncio.gather(*(write(rows + number) for number in range(20)))
                rows += 20
                sealed = len(await database.run(audit_chains.owners)) > len(
                    await database.run(audit_chains.count_waiting)
                )
        writers = [asyncio.create_task(write(rows + number)) for number in range(50)]
        await asyncio.wait(writers, return_when=asyncio.FIRST_COMPLETED)
        server.process.send_signal(signal.SIGKILL)
        ends = await asyncio.gather(*writers, return_exceptions=True)
        assert all(end is None or isinstance(end, aiohttp.ClientError) for end in ends), ends
        rows += ends.count(None)
    directory = DataDirectory(tmp_path / "data")
    seals = Seals(open_encryption(Settings(data_dir=directory.path), directory).derive("audit"))
    async with server_process(tmp_path, environment), opened(database_url) as database:
        async with asyncio.timeout(SECONDS):
            while await database.run(audit_chains.count_waiting):  # noqa: ASYNC110 - the sealer tells nobody
                await asyncio.sleep(0.05)
        found = [each async for each in check.check(database, seals)]
    assert {each.fault for each in found} == {""}
    assert sum(each.rows for each in found) >= rows
