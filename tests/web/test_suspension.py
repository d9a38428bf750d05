"""A suspension holds on every replica, for everything that acts in the tenant, and is undone by the same field."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from tenantry.web import csrf
from tenantry.web.authentication import SESSION_COOKIE
from tests.cluster.databases import DatabaseServer
from tests.support.application import KUBERNETES, Application, Client
from tests.support.browsing import browsing
from tests.support.databases import emptied
from tests.support.people import replicas
from tests.support.server import ServerProcess, server_process

SECONDS = 20
PASSWORD = "four unrelated old words"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicas:
    """Two processes of the API on one database, and everybody who acts in the tenant `acme`, at each of them."""

    platform: Client
    callers: list[tuple[str, Client]]
    watches: list[aiohttp.ClientResponse]


@pytest.fixture
async def acme(tmp_path: Path, database_server: DatabaseServer) -> AsyncIterator[Replicas]:
    async with AsyncExitStack() as stack:
        url = await emptied(database_server)
        servers = []
        for number in range(2):
            folder = tmp_path / str(number)
            folder.mkdir()
            process = server_process(folder, {"TENANTRY_DATABASE_URL": url})
            servers.append(await stack.enter_async_context(process))
        platform = Client(await stack.enter_async_context(servers[0].session()))
        await platform.tenant("acme")
        callers = [
            (name, Client(await stack.enter_async_context(aiohttp.ClientSession(server.base_url, headers=headers))))
            for name, headers in (await credentials(platform, servers[0])).items()
            for server in servers
        ]
        key = [client for name, client in callers if name == "key"]
        watches = [await client.session.get(f"{KUBERNETES}/tenants", params={"watch": "true"}) for client in key]
        yield Replicas(platform=platform, callers=callers, watches=watches)


async def credentials(platform: Client, server: ServerProcess) -> dict[str, dict[str, str]]:
    """The headers of a member, of their own key, of a key and of a service account."""
    link = (await platform.post("/v1/tenants/acme/invites", {"email": "ada@example.com", "role": "owner"})).body["link"]
    path = urlsplit(str(link)).path
    async with browsing(server) as ada:
        await ada.submit(await ada.get(path), password=PASSWORD, repeated=PASSWORD)
        cookie = ada.cookies[SESSION_COOKIE]
    wanted = {"name": "k", "scopes": ["resources:read", "keys:write"]}
    session = {
        "Cookie": f"{SESSION_COOKIE}={cookie}",
        "Sec-Fetch-Site": "same-origin",
        csrf.HEADER: csrf.token_of(cookie),
    }
    account = await platform.post("/v1/tenants/acme/service-accounts", {"name": "ci", "role": "admin"})
    async with aiohttp.ClientSession(server.base_url, headers=session) as http:
        personal = await Client(http).post("/v1/me/keys", wanted)
    key = await platform.post("/v1/keys", {**wanted, "tenant": "acme"})
    of_account = await platform.post(f"{account.headers['Location']}/keys", wanted)
    made = {"personal key": personal, "key": key, "service account": of_account}
    return {
        "session": session,
        **{name: {"Authorization": f"Bearer {answer.body['token']}"} for name, answer in made.items()},
    }


async def until(client: Client, path: str, status: int, method: str = "GET") -> str:
    """Ask until it is answered so, and return the error's code."""
    async with asyncio.timeout(SECONDS):
        while (answer := await client.call(method, path)).status != status:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)
    return "" if status < 400 else answer.code


@pytest.mark.parametrize("mode", ["Blocked", "ReadOnly"])
async def test_all_credentials_and_watches_of_a_tenant_end_on_every_replica(acme: Replicas, mode: str) -> None:
    for name, client in acme.callers:
        assert (await client.get("/v1/tenants/acme")).status == 200, name
    suspended = {"spec": {"state": "Suspended", "suspension": {"mode": mode, "reason": "unpaid"}}}
    await acme.platform.patch("tenants/acme", suspended)
    for name, client in acme.callers:
        if mode == "Blocked":
            assert await until(client, "/v1/tenants/acme", 403) == "tenant_suspended", name
        else:
            assert await until(client, "/v1/keys/nothing:revoke", 403, "POST") == "tenant_suspended", name
            assert (await client.get("/v1/tenants/acme")).status == 200, name
    if mode == "Blocked":
        for watch in acme.watches:
            async with asyncio.timeout(SECONDS):
                last = (await watch.read()).splitlines()[-1]
            assert json.loads(last)["object"]["code"] == 403
    await acme.platform.patch("tenants/acme", {"spec": {"state": "Active"}})
    for name, client in acme.callers:
        await until(client, "/v1/tenants/acme", 200)
        await until(client, "/v1/keys/nothing:revoke", 404, "POST")
        assert (await client.get("/v1/me")).body["tenant"]["state"] == "Active", name
    if mode == "ReadOnly":
        for watch in acme.watches:
            assert not watch.content.at_eof()
            watch.close()


async def test_watches_end_by_the_news_and_wait_for_no_clock(
    tmp_path: Path, database_server: DatabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenantry.services.authentication.CHECK_SECONDS", 3600.0)
    async with replicas(tmp_path, await emptied(database_server)) as servers, AsyncExitStack() as stack:
        v1 = Application(await stack.enter_async_context(servers[0].session()), servers[0])
        tenant = await v1.tenant("acme")
        key = await stack.enter_async_context(v1.as_key("resources:read", tenant_id=tenant["status"]["tenantID"]))
        watches = []
        for server in servers:
            session = aiohttp.ClientSession(server.base_url, headers=key.session.headers)
            http = await stack.enter_async_context(session)
            watches.append(await http.get(f"{KUBERNETES}/tenants", params={"watch": "true"}))
        await v1.patch("tenants/acme", {"spec": {"state": "Suspended", "suspension": {"reason": "unpaid"}}})
        for watch in watches:
            async with asyncio.timeout(SECONDS):
                last = (await watch.read()).splitlines()[-1]
            assert json.loads(last)["object"]["code"] == 403
