"""API keys over HTTP: a secret is shown once, and nobody gives more than they have."""

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.support.application import Application

NEW = {"name": "ci", "scopes": ["platform:read"]}


async def _status_with(api: Application, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers) as session, session.get(f"{api.server.base_url}/v1/me") as answer:
        return answer.status


async def test_a_key_works_until_it_is_revoked(v1: Application) -> None:
    made = await v1.post("/v1/keys", {**NEW, "lifetimeSeconds": 3600, "allowedCIDRs": ["127.0.0.0/8"]})
    assert made.status == 201
    key, token = made.body["key"], made.body["token"]
    assert made.headers["Location"] == f"/v1/keys/{key['id']}"
    assert token.startswith(f"tnk_{key['id']}_")
    assert (key["state"], key["createdBy"], key["allowedCIDRs"]) == ("Active", "local-admin", ["127.0.0.0/8"])
    assert await _status_with(v1, token) == 200
    revoked = await v1.post(f"/v1/keys/{key['id']}:revoke")
    assert (revoked.status, revoked.body["state"]) == (200, "Revoked")
    again = await v1.post(f"/v1/keys/{key['id']}:revoke")
    assert again.body["revokedAt"] == revoked.body["revokedAt"]
    found = await v1.get(f"/v1/keys/{key['id']}")
    assert found.body["state"] == "Revoked"
    assert found.body in await v1.items("/v1/keys")
    assert [row["action"] for row in await v1.items(f"/v1/audit?name={key['id']}")] == ["key.revoke", "key.create"]


async def test_the_secret_is_nowhere_else(v1: Application) -> None:
    token = (await v1.post("/v1/keys", NEW, idempotency_key="k")).body["token"]
    secret = token.split("_")[2]
    for path in ("/v1/keys", "/v1/audit"):
        assert secret not in str(await v1.items(path))
    for file in v1.server.data_dir.rglob("*.db*"):
        assert secret.encode() not in file.read_bytes()


async def test_one_idempotency_key_is_one_secret(stored_v1: Application) -> None:
    before = len(await stored_v1.items("/v1/keys"))
    answers = await asyncio.gather(*(stored_v1.post("/v1/keys", NEW, idempotency_key="k") for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 7
    [made] = [answer for answer in answers if answer.status == 201]
    for answer in (*answers, await stored_v1.post("/v1/keys", NEW, idempotency_key="k")):
        if answer is not made:
            assert answer.code == "secret_already_shown"
            assert made.body["key"]["id"] in answer.body["detail"]
    assert len(await stored_v1.items("/v1/keys")) == before + 1
    assert (await stored_v1.post("/v1/keys", {**NEW, "name": "x"}, idempotency_key="k")).code == "idempotency_mismatch"


async def test_a_revocation_is_answered_once(v1: Application) -> None:
    key = (await v1.post("/v1/keys", NEW)).body["key"]["id"]
    answers = [await v1.post(f"/v1/keys/{key}:revoke", idempotency_key="r") for _ in range(2)]
    assert answers[0].body == answers[1].body


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "paths"),
    [
        ({"name": ""}, ["name"]),
        ({"name": "a\nb"}, ["name"]),
        ({"name": None}, ["name"]),
        ({"scopes": []}, ["scopes"]),
        ({"scopes": ["platform:read", "root"]}, ["scopes[1]"]),
        ({"scopes": "platform:read"}, ["scopes"]),
        ({"lifetimeSeconds": -1}, ["lifetimeSeconds"]),
        ({"lifetimeSeconds": 1.5}, ["lifetimeSeconds"]),
        ({"lifetimeSeconds": 10**30}, ["lifetimeSeconds"]),
        ({"allowedCIDRs": ["10.0.0.0/8", "10.0.0.1/8"]}, ["allowedCIDRs[1]"]),
        (
            {"name": "a\nb", "scopes": ["root"], "lifetimeSeconds": -1, "allowedCIDRs": ["x"], "owner": "local-admin"},
            ["name", "scopes[0]", "lifetimeSeconds", "allowedCIDRs[0]", "owner"],
        ),
        ({"owner": "local-admin"}, ["owner"]),
        ({"tenantID": "x"}, ["tenantID"]),
    ],
)
async def test_every_wrong_field_is_named(v1: Application, change: dict[str, Any], paths: list[str]) -> None:
    refused = await v1.post("/v1/keys", NEW | change)
    assert (refused.status, refused.code) == (422, "invalid")
    assert [error["path"] for error in refused.body["errors"]] == paths
    assert len(await v1.items("/v1/keys")) == 1


async def test_who_may_do_what(v1: Application) -> None:
    async with v1.as_key("platform:read") as reader:
        for method, path in (
            ("POST", "/v1/keys"),
            ("GET", "/v1/keys"),
            ("GET", "/v1/keys/x"),
            ("POST", "/v1/keys/x:revoke"),
        ):
            assert (await reader.call(method, path, NEW if path == "/v1/keys" and method == "POST" else None)).code == (
                "forbidden"
            )
    assert (await v1.post("/v1/keys", {**NEW, "scopes": ["platform:reconcile"]})).code == "forbidden"
    assert (await v1.get("/v1/keys/nothing")).code == "not_found"
    assert (await v1.post("/v1/keys/nothing:revoke")).code == "not_found"


async def test_a_tenants_key_makes_keys_of_its_tenant_only(v1: Application) -> None:
    own, other = [(await v1.tenant(name))["status"]["tenantID"] for name in ("acme", "beta")]
    platform = (await v1.post("/v1/keys", NEW)).body["key"]["id"]
    async with v1.as_key("platform:admin", tenant_id=own) as acme, v1.as_key("platform:admin", tenant_id=other) as beta:
        made = (await acme.post("/v1/keys", NEW)).body
        assert made["key"]["tenantID"] == own
        headers = {"Authorization": f"Bearer {made['token']}"}
        async with aiohttp.ClientSession(v1.server.base_url, headers=headers) as session:
            child = Application(session, v1.server)
            assert [item["metadata"]["name"] for item in await child.items("/v1/tenants")] == ["acme"]
        assert {key["tenantID"] for key in await acme.items("/v1/keys")} == {own}
        assert made["key"]["id"] not in str(await beta.items("/v1/keys"))
        for caller, key in ((acme, platform), (beta, made["key"]["id"])):
            assert (await caller.get(f"/v1/keys/{key}")).code == "not_found"
            assert (await caller.post(f"/v1/keys/{key}:revoke")).code == "not_found"
    assert (await v1.post(f"/v1/keys/{made['key']['id']}:revoke")).body["state"] == "Revoked"


async def test_the_platform_makes_keys_for_tenants(v1: Application) -> None:
    own = (await v1.tenant("acme"))["status"]["tenantID"]
    await v1.tenant("beta")
    made = (await v1.post("/v1/keys", {**NEW, "scopes": ["platform:admin"], "tenant": "acme"})).body
    assert made["key"]["tenantID"] == own
    assert await v1.items("/v1/keys?tenant=acme") == [made["key"]]
    assert await v1.items("/v1/keys?tenant=beta") == []
    assert made["key"] not in await v1.items("/v1/keys")
    assert (await v1.post("/v1/keys", {**NEW, "tenant": "gamma"})).code == "not_found"
    assert (await v1.get("/v1/keys?tenant=gamma")).code == "not_found"
    headers = {"Authorization": f"Bearer {made['token']}"}
    async with aiohttp.ClientSession(v1.server.base_url, headers=headers) as session:
        acme = Application(session, v1.server)
        assert [item["metadata"]["name"] for item in await acme.items("/v1/tenants")] == ["acme"]
        assert (await acme.get("/v1/tenants/beta")).code == "not_found"
        assert (await acme.post("/v1/keys", {**NEW, "tenant": "beta"})).code == "not_found"
        assert (await acme.post("/v1/keys", {**NEW, "tenant": "acme"})).body["key"]["tenantID"] == own


async def test_keys_are_paged(v1: Application) -> None:
    made = {(await v1.post("/v1/keys", {**NEW, "name": str(number)})).body["key"]["id"] for number in range(4)}
    pages = [[item["id"] for item in page] async for page in v1.pages("/v1/keys?limit=2")]
    assert [len(page) for page in pages] == [2, 2, 1]
    listed = [key for page in pages for key in page]
    assert listed == sorted(listed)
    assert made < set(listed)


async def test_the_keys_of_a_tenant_are_found_below_it(v1: Application) -> None:
    for name in ("acme", "beta"):
        await v1.tenant(name)
    made = (await v1.post("/v1/tenants/acme/keys", {"name": "ci", "scopes": ["resources:read"]})).body["key"]
    assert await v1.items("/v1/tenants/acme/keys") == [made] == await v1.items("/v1/keys?tenant=acme")
    assert (await v1.get(f"/v1/tenants/acme/keys/{made['id']}")).body == made
    platform = (await v1.post("/v1/keys", NEW)).body["key"]["id"]
    for path in (f"beta/keys/{made['id']}", f"acme/keys/{platform}", f"gamma/keys/{made['id']}"):
        assert (await v1.get(f"/v1/tenants/{path}")).code == "not_found"
        assert (await v1.post(f"/v1/tenants/{path}:revoke")).code == "not_found"
    assert (await v1.post(f"/v1/tenants/acme/keys/{made['id']}:revoke")).body["state"] == "Revoked"
