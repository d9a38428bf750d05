"""How many of each thing a tenant may have: one more is refused, and what went makes room."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tenantry.services import caps
from tenantry.services.caps import Cap
from tests.support.application import Application
from tests.support.people import add_session, add_user, browser
from tests.support.server import running_server

CLIENT = {"name": "Robot", "grantTypes": ["client_credentials"], "scopes": ["resources:read"]}
KEY = {"name": "ci", "scopes": ["resources:read"]}
PROVIDER = {"displayName": "Example", "issuer": "https://idp.example.com", "clientID": "x"}

#: name of the cap -> where one more is made, and of what
MADE: dict[str, tuple[str, dict[str, Any]]] = {
    "CLIENTS": ("/v1/tenants/acme/clients", CLIENT),
    "KEYS": ("/v1/tenants/acme/keys", KEY),
    "INVITES": ("/v1/tenants/acme/invites", {"email": "ada@example.com", "role": "viewer"}),
    "SERVICE_ACCOUNTS": ("/v1/tenants/acme/service-accounts", {"name": "n", "role": "viewer"}),
    "WEBHOOKS": ("/v1/tenants/acme/webhooks", {"url": "https://hook.invalid"}),
    "PROVIDERS": ("/v1/identity-providers", {"name": "n", **PROVIDER}),
}


def lower(monkeypatch: pytest.MonkeyPatch, name: str, most: int) -> Cap:
    """The cap of that name, lowered."""
    cap = getattr(caps, name)
    monkeypatch.setattr(caps, name, Cap(most, cap.what, cap.instead))
    return getattr(caps, name)  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", MADE)
async def test_one_too_many_is_refused_until_one_goes(
    v1: Application, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    cap = lower(monkeypatch, name, 2)
    await v1.tenant("acme")
    await v1.tenant("beta")
    path, body = MADE[name]

    async def make(number: int, where: str = path) -> Any:
        return await v1.post(where, body | ({"name": f"n{number}"} if "name" in body else {}))

    made = [await make(number) for number in range(2)]
    assert [each.status for each in made] == [201, 201], made[0].body
    refused = await make(2)
    assert (refused.status, refused.code) == (409, "limit_reached")
    assert refused.body["detail"] == f"there are 2 {cap.what}, of 2 at most: {cap.instead}"
    if "acme" in path:
        assert (await make(2, path.replace("acme", "beta"))).status == 201
    location = made[0].headers["Location"]
    gone = await (v1.post(f"{location}:revoke") if name in {"KEYS", "INVITES"} else v1.call("DELETE", location))
    assert gone.status == 200, gone.body
    assert (await make(3)).status == 201


async def test_one_owner_leaves_room_for_others(v1: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    lower(monkeypatch, "KEYS_OF_ONE", 1)
    await v1.tenant("acme")
    accounts = "/v1/tenants/acme/service-accounts"
    ones, others = [
        (await v1.post(accounts, {"name": name, "role": "viewer"})).headers["Location"] + "/keys" for name in ("a", "b")
    ]
    assert (await v1.post(ones, KEY)).status == 201
    assert (await v1.post(ones, KEY)).code == "limit_reached"
    assert (await v1.post(others, KEY)).status == 201


async def test_a_cap_holds_for_those_who_come_at_once(v1: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    lower(monkeypatch, "CLIENTS", 3)
    await v1.tenant("acme")
    answers = await asyncio.gather(*(v1.post("/v1/tenants/acme/clients", CLIENT) for _ in range(20)))
    assert sorted(each.status for each in answers) == [201] * 3 + [409] * 17
    assert len(await v1.items("/v1/tenants/acme/clients")) == 3


async def test_a_person_makes_so_many_tenants_and_who_runs_the_platform_any_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cap = lower(monkeypatch, "TENANTS", 2)
    async with running_server(tmp_path, sign_up="Open", sign_up_plan="pro") as server, server.session() as session:
        await Application(session, server).plan("pro")
        for admin in (False, True):
            user = await add_user(server, f"{admin}@example.com".lower(), platform_admin=admin)
            async with browser(server, await add_session(server, user)) as api:
                names = [{"name": f"{admin}-{n}".lower(), "displayName": "T"} for n in range(3)]
                *_, last = [await api.post("/v1/tenants", name) for name in names]
            if admin:
                assert last.status == 201, last.body
            else:
                assert (last.status, last.code) == (409, "limit_reached")
                assert last.body["detail"] == f"there are 2 {cap.what}, of 2 at most: {cap.instead}"
