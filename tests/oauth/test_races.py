"""Twenty at a time use one code, one refresh token, one device code: one wins, on two servers."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from tenantry.model.oauth import CLI
from tenantry.storage import families
from tests.support.databases import opened
from tests.support.oauth import add_client
from tests.support.oauth_http import Sent, Wire
from tests.support.people import add_session, add_user
from tests.support.server import server_processes

pytestmark = pytest.mark.slow

TRIES = 20
OPEN = "openid offline_access resources:read"


@dataclass
class Race:
    """The same client and browser on every server."""

    database: Any
    wires: list[Wire]
    devices: list[Wire]


@pytest.fixture
async def race(tmp_path: Path, database_url: str) -> AsyncIterator[Race]:
    """Two server processes on each database."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(opened(database_url))
        there: Any = SimpleNamespace(services=SimpleNamespace(db=database))
        client, secret = await add_client(there, first_party=True)
        cookie = await add_session(there, await add_user(there))
        race = Race(database, [], [])
        running = server_processes(tmp_path, database_url, EXTERNAL_URL="https://tenantry.example.com")
        for server in await stack.enter_async_context(running):
            http = await stack.enter_async_context(aiohttp.ClientSession(server.base_url))
            race.wires.append(Wire(http, client.id, secret, cookie))
            race.devices.append(Wire(http, CLI.id, "", cookie))
        yield race


def outcomes(answers: list[Sent]) -> Counter[str]:
    return Counter(answer.body.get("error", "won") for answer in answers)


async def test_a_code_is_redeemed_once(race: Race) -> None:
    code = await race.wires[0].code(scope=OPEN)
    answers = await asyncio.gather(*(race.wires[n % len(race.wires)].redeem(code) for n in range(TRIES)))
    assert outcomes(answers) == {"won": 1, "invalid_grant": TRIES - 1}
    (winner,) = [answer.body for answer in answers if answer.status == 200]
    refused = await race.wires[-1].refresh(winner["refresh_token"])  # whoever stole the code has nothing of it
    assert refused.body["error"] == "invalid_grant"


async def test_a_refresh_token_has_one_successor(race: Race) -> None:
    first = (await race.wires[0].redeem(await race.wires[0].code(scope=OPEN))).body
    token = first["refresh_token"]
    answers = await asyncio.gather(*(race.wires[n % len(race.wires)].refresh(token) for n in range(TRIES)))
    assert outcomes(answers) == {"won": TRIES}
    (successor,) = {answer.body["refresh_token"] for answer in answers}
    assert successor != token
    kept = await race.database.run(families.token, successor.split("_")[1])
    assert kept
    assert kept.used_at == 0
    assert (await race.wires[-1].refresh(successor)).status == 200


async def test_a_device_code_is_redeemed_once(race: Race) -> None:
    device = (await race.devices[0].post("/oauth/device_authorization", scope="openid")).body
    csrf = (await race.wires[-1].browse("/device")).field("csrf")
    form = {"csrf": csrf, "user_code": device["user_code"], "decision": "allow"}
    assert (await race.wires[-1].browse("/device", form)).status == 200
    poll = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": device["device_code"]}
    answers = await asyncio.gather(
        *(race.devices[n % len(race.devices)].post("/oauth/token", **poll) for n in range(TRIES))
    )
    assert outcomes(answers) == {"won": 1, "invalid_grant": TRIES - 1}


async def test_a_token_that_is_given_back_is_refused_by_every_server(race: Race) -> None:
    first, last = race.wires[0], race.wires[-1]
    token = (await first.post("/oauth/token", grant_type="client_credentials")).body["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    for wire in race.wires:
        assert (await wire.call("GET", "/v1/me", headers=bearer)).status == 200
    assert (await first.post("/oauth/revoke", token=token)).status == 200
    async with asyncio.timeout(20):
        while (await last.call("GET", "/v1/me", headers=bearer)).status == 200:
            pass
    assert (await last.post("/oauth/introspect", token=token)).body == {"active": False}
