"""OAuth clients below `/v1`: whose they are, what is refused, and secrets that replace one another."""

import asyncio
import json
from base64 import b64encode, urlsafe_b64encode
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from tenantry.services.caps import SECRETS
from tenantry.storage import changes
from tests.support.application import Answer, Application

ROBOT: dict[str, Any] = {"name": "Robot", "grantTypes": ["client_credentials"], "scopes": ["resources:read"]}
SITE: dict[str, Any] = {
    "name": "Site",
    "grantTypes": ["authorization_code", "refresh_token"],
    "redirectURIs": ["https://app.example.com/callback"],
    "scopes": ["openid"],
}


async def seen(api: Application) -> None:
    services = api.server.services
    assert await services.feed.wait_for(await services.db.run(changes.current_seq), 20)


async def token(api: Application, client_id: str, secret: str) -> Answer:
    basic = b64encode(f"{client_id}:{secret}".encode()).decode()
    async with api.session.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, headers={"Authorization": f"Basic {basic}"}
    ) as answer:
        return Answer(status=answer.status, headers=answer.headers, body=await answer.json())


async def make(api: Application, body: dict[str, Any], path: str = "/v1/clients") -> tuple[dict[str, Any], str]:
    made = await api.post(path, body)
    assert made.status == 201, made.body
    return made.body["client"], made.body.get("clientSecret", "")


async def test_a_client_is_made_read_changed_and_deleted(v1: Application) -> None:
    client, secret = await make(v1, ROBOT)
    path = f"/v1/clients/{client['id']}"
    read = await v1.get(path)
    assert read.body == client
    assert secret not in json.dumps(read.body)
    changed = await v1.call("PATCH", path, {"name": "R2"}, if_match=read.etag)
    assert changed.body == {**client, "name": "R2"}
    assert (await v1.call("PATCH", path, {"name": "R3"}, if_match=read.etag)).status == 412
    assert [each["name"] for each in await v1.items("/v1/clients")] == ["R2"]
    assert (await v1.call("DELETE", path)).status == 200
    assert (await v1.get(path)).status == 404
    actions = [event["action"] for event in await v1.items("/v1/audit") if event["kind"] == "OAuthClient"]
    assert actions == ["client.delete", "client.update", "client.create"]


async def test_a_secret_replaces_another_without_an_interruption(v1: Application) -> None:
    client, first = await make(v1, ROBOT)
    path = f"/v1/clients/{client['id']}"
    assert (await token(v1, client["id"], first)).status == 200
    added = (await v1.post(f"{path}/secrets", {"lifetimeSeconds": 3600})).body
    await seen(v1)
    second = added["clientSecret"]
    assert {(await token(v1, client["id"], each)).status for each in (first, second)} == {200}
    assert (await v1.call("DELETE", f"{path}/secrets/{first.split('_')[1]}")).status == 200
    await seen(v1)
    assert (await token(v1, client["id"], first)).body["error"] == "invalid_client"
    assert (await token(v1, client["id"], second)).status == 200
    answers = await asyncio.gather(*(v1.post(f"{path}/secrets") for _ in range(10)))
    assert sorted(each.status for each in answers) == [201] * (SECRETS.most - 1) + [409] * (11 - SECRETS.most)
    assert {each.code for each in answers if each.status == 409} == {"limit_reached"}


async def test_a_disabled_client_and_its_tokens_do_not_work_until_it_is_enabled(v1: Application) -> None:
    client, secret = await make(v1, ROBOT)
    bearer = {"Authorization": f"Bearer {(await token(v1, client['id'], secret)).body['access_token']}"}
    for disabled, status, given in ((False, 200, 200), (True, 401, 401), (False, 200, 200)):
        done = await v1.call("PATCH", f"/v1/clients/{client['id']}", {"disabled": disabled})
        assert done.status == 200, done.body
        await seen(v1)
        assert (await v1.get("/v1/me", **bearer)).status == status
        assert (await token(v1, client["id"], secret)).status == given


async def test_a_secret_is_shown_once(v1: Application) -> None:
    first = await v1.post("/v1/clients", ROBOT, idempotency_key="once")
    assert first.body["clientSecret"]
    again = await v1.post("/v1/clients", ROBOT, idempotency_key="once")
    assert (again.status, again.code) == (409, "secret_already_shown")


async def test_a_tenant_keeps_its_own_clients_and_sees_no_other(v1: Application) -> None:
    tenant = (await v1.tenant("acme"))["status"]["tenantID"]
    await v1.tenant("other")
    others, _ = await make(v1, ROBOT, "/v1/tenants/other/clients")
    mine, _ = await make(v1, ROBOT, "/v1/tenants/acme/clients")
    async with v1.as_key("clients:read", "clients:write", "resources:read", tenant_id=tenant) as api:
        assert [each["id"] for each in await api.items("/v1/clients")] == [mine["id"]]
        assert [each["id"] for each in await api.items("/v1/tenants/acme/clients")] == [mine["id"]]
        made, _ = await make(api, ROBOT)
        assert made["tenantID"] == tenant
        for method, path in (
            ("GET", f"/v1/clients/{others['id']}"),
            ("DELETE", f"/v1/clients/{others['id']}"),
            ("POST", f"/v1/clients/{others['id']}/secrets"),
            ("GET", "/v1/tenants/other/clients"),
        ):
            assert (await api.call(method, path)).status == 404, path
        beyond = await api.post("/v1/clients", {**ROBOT, "scopes": ["members:write"]})
        assert (beyond.status, beyond.code) == (403, "forbidden")
        assert (await api.post("/v1/clients", {**SITE, "firstParty": True})).status == 403
        assert (await api.post("/v1/clients", {**ROBOT, "scopes": ["platform:read"]})).status == 422
    async with v1.as_key("clients:read", tenant_id=tenant) as api:
        assert (await api.post("/v1/clients", ROBOT)).status == 403


async def test_nobody_gets_a_secret_of_a_client_that_may_more_than_they(v1: Application) -> None:
    tenant = (await v1.tenant("acme"))["status"]["tenantID"]
    strong, _ = await make(v1, {**ROBOT, "scopes": ["members:write", "owners:write"]}, "/v1/tenants/acme/clients")
    weak, _ = await make(v1, ROBOT, "/v1/tenants/acme/clients")
    async with v1.as_key("clients:write", "resources:read", "members:write", tenant_id=tenant) as api:
        beyond = await api.post(f"/v1/clients/{strong['id']}/secrets")
        assert (beyond.status, beyond.code) == (403, "forbidden")
        assert (await api.post(f"/v1/clients/{weak['id']}/secrets")).status == 201


async def test_the_audit_log_tells_what_was_changed_of_a_client(v1: Application) -> None:
    client, _ = await make(v1, SITE)
    there = "https://elsewhere.example.com/callback"
    assert (await v1.call("PATCH", f"/v1/clients/{client['id']}", {"redirectURIs": [there]})).status == 200
    (row,) = await v1.items("/v1/audit?action=client.update")
    assert {change["path"].partition("[")[0] for change in row["changes"]} == {"redirectURIs"}
    assert there in json.dumps(row["changes"])
    (row,) = await v1.items("/v1/audit?action=client.create")
    assert "scopes" in {change["path"].partition("[")[0] for change in row["changes"]}


async def test_all_that_is_wrong_with_a_client_is_told_at_once(v1: Application) -> None:
    wrong = {
        "grantTypes": ["authorization_code", "password"],
        "redirectURIs": ["ftp://app.example.com"],
        "redirectUris": ["https://app.example.com/callback"],
        "postLogoutURIs": ["/bye"],
        "scopes": ["openid", "everything"],
    }
    paths = {"grantTypes[1]", "redirectURIs[0]", "redirectUris", "postLogoutURIs[0]", "scopes[1]"}
    told = await v1.post("/v1/clients", wrong)
    assert {error["path"] for error in told.body["errors"]} == {"name", *paths}
    client, _ = await make(v1, SITE)
    told = await v1.call("PATCH", f"/v1/clients/{client['id']}", wrong)
    assert {error["path"] for error in told.body["errors"]} == paths


RSA = RSAKey.generate_key(2048)
GOOD = RSA.as_dict(private=False)
#: of 4,104 bits: who verifies by it pays with the square
LARGE = {"kty": "RSA", "e": "AQAB", "n": urlsafe_b64encode(b"\xff" * 513).decode().rstrip("=")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({**ROBOT, "name": "a\nb"}, "name"),
        ({**ROBOT, "grantTypes": ["password"]}, "grantTypes[0]"),
        ({**ROBOT, "scopes": ["everything"]}, "scopes[0]"),
        ({**ROBOT, "kind": "Public"}, "grantTypes"),
        ({**SITE, "redirectURIs": []}, "redirectURIs"),
        *(
            ({**SITE, "redirectURIs": [uri]}, "redirectURIs[0]")
            for uri in (
                "http://app.example.com/callback",
                "https://app.example.com/callback#fragment",
                "https://*.example.com/callback",
                "https://user@app.example.com/",
                "https://app.example.com\\@evil.example/",
                "https:///callback",
                "https://[::1/callback",
                "https://app.example.com:port/",
                "javascript:alert(1)",
                "data:text/html,x",
                "/callback",
                "https://app.example.com/a b",
                "https://app.example.com/\n",
                "https://\u0430pp.example.com/",
                "https://app.example.com;sandbox/",
                "https://app.example.com,'none'/",
            )
        ),
        ({**ROBOT, "jwks": {"keys": []}}, "jwks"),
        ({**ROBOT, "jwks": {"keys": [RSA.as_dict(private=True)]}}, "jwks"),
        ({**ROBOT, "jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}}, "jwks"),
        ({**ROBOT, "jwks": {"keys": [GOOD, {"kty": "RSA"}]}}, "jwks"),
        ({**SITE, "kind": "Public", "jwks": {"keys": [GOOD]}}, "jwks"),
        ({**ROBOT, "jwks": {"keys": [{**GOOD, "kid": str(number)} for number in range(11)]}}, "jwks"),
        ({**ROBOT, "jwks": {"keys": [GOOD], "more": "x" * 16_384}}, "jwks"),
        ({**ROBOT, "jwks": {"keys": [LARGE]}}, "jwks"),
    ],
)
async def test_what_makes_no_sense_is_named(v1: Application, body: dict[str, Any], path: str) -> None:
    answer = await v1.post("/v1/clients", body)
    assert (answer.status, answer.code) == (422, "invalid")
    assert path in [error["path"] for error in answer.body["errors"]]


async def test_a_client_with_keys_needs_no_secret(v1: Application) -> None:
    keys = {"keys": [GOOD, ECKey.generate_key("P-256").as_dict(private=False)]}
    client, secret = await make(v1, {**ROBOT, "jwks": keys})
    assert (secret, client["secrets"]) == ("", [])
    assert client["jwks"] == keys
    assert (await v1.call("PATCH", f"/v1/clients/{client['id']}", {"jwks": {}})).body.get("jwks") is None
