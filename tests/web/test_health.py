"""The probes and the metrics of the second listener."""

import aiohttp

from tests.support.server import ServerInProcess


async def test_a_ready_server_says_what_it_checked(server: ServerInProcess) -> None:
    async with aiohttp.ClientSession(server.ops_url) as session:
        async with session.get("/readyz") as answer:
            assert answer.status == 200
            assert await answer.text() == "[+]shutdown ok\n[+]database ok\n[+]schema ok\nreadyz check passed\n"
        async with session.get("/startupz") as answer:
            assert answer.status == 200
