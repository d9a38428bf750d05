"""Identity providers below `/v1`: made, changed and taken away by the platform; nobody sees the secret again."""

import json
from pathlib import Path
from typing import Any

import pytest

from tenantry.settings import Settings
from tests.support.application import Application
from tests.support.server import running_server

PATH = "/v1/identity-providers"
NEW = {
    "name": "corp",
    "displayName": "Corporation",
    "issuer": "https://idp.example/realms/corp",
    "clientID": "tenantry",
    "clientSecret": "s3cret-of-the-client",
    "emailDomains": ["Example.COM"],
}


async def test_a_provider_is_made_changed_and_taken_away(v1: Application) -> None:
    made = await v1.post(PATH, NEW, idempotency_key="k")
    assert made.status == 201, made.body
    assert made.headers["Location"] == f"{PATH}/corp"
    assert (made.body["emailDomains"], made.body["scopes"]) == (["example.com"], ["openid", "email", "profile"])
    assert (made.body["autoProvision"], made.body["configured"]) == (False, False)
    assert (await v1.post(PATH, NEW, idempotency_key="k")).body == made.body
    assert (await v1.post(PATH, NEW)).code == "already_exists"
    found = await v1.get(f"{PATH}/corp")
    assert (found.body, found.etag) == (made.body, made.etag)
    changed = await v1.call(
        "PATCH", f"{PATH}/corp", {"displayName": "Corp", "clientSecret": "an0ther"}, if_match=found.etag
    )
    assert (changed.status, changed.body["displayName"], changed.body["issuer"]) == (200, "Corp", NEW["issuer"])
    assert (await v1.call("PATCH", f"{PATH}/corp", {}, if_match=found.etag)).status == 412
    assert [each["name"] for each in await v1.items(PATH)] == ["corp"]
    assert (await v1.call("DELETE", f"{PATH}/corp", if_match=found.etag)).status == 412
    assert (await v1.call("DELETE", f"{PATH}/corp")).status == 200
    assert (await v1.get(f"{PATH}/corp")).status == 404
    assert (await v1.call("DELETE", f"{PATH}/corp")).status == 404
    rows = await v1.items("/v1/audit?kind=IdentityProvider")
    assert [row["action"].removeprefix("identity-provider.") for row in rows] == ["delete", "update", "create"]
    assert {change["path"] for change in rows[1]["changes"]} == {"displayName", "clientSecret"}


async def test_its_secret_is_nowhere_to_be_read(v1: Application) -> None:
    made = await v1.post(PATH, NEW, idempotency_key="k")
    answers = [made, await v1.get(f"{PATH}/corp"), await v1.get(PATH), await v1.get("/v1/audit")]
    assert not any("s3cret" in json.dumps(answer.body) for answer in answers)
    files = b"".join(file.read_bytes() for file in v1.server.data_dir.glob("tenantry.db*"))
    assert b"corp" in files
    assert b"s3cret" not in files
    services = v1.server.services
    assert services.providers.secret(await services.providers.find("corp")) == NEW["clientSecret"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"issuer": "http://idp.example"}, "issuer"),
        ({"issuer": "https://127.0.0.1/"}, "issuer"),
        ({"issuer": "https://idp.example?x=1"}, "issuer"),
        ({"issuer": "https://user:pw@idp.example"}, "issuer"),
        ({"scopes": ["email"]}, "scopes"),
        ({"scopes": ["openid", "a b"]}, "scopes[1]"),
        ({"emailDomains": ["localhost"]}, "emailDomains[0]"),
        ({"name": "Corp"}, "name"),
        ({"name": "a/b"}, "name"),
        ({"clientID": ""}, "clientID"),
    ],
)
async def test_what_is_wrong_is_named(v1: Application, change: dict[str, Any], path: str) -> None:
    refused = await v1.post(PATH, {**NEW, **change})
    assert (refused.status, refused.code) == (422, "invalid")
    assert [error["path"] for error in refused.body["errors"]] == [path]


async def test_a_tenants_credential_sees_none(v1: Application) -> None:
    await v1.post(PATH, NEW)
    tenant = (await v1.tenant("acme"))["status"]["tenantID"]
    async with v1.as_key("platform:admin", tenant_id=tenant) as api:
        for method, path in (("GET", PATH), ("GET", f"{PATH}/corp"), ("DELETE", f"{PATH}/corp")):
            assert (await api.call(method, path)).status == 403
        assert (await api.post(PATH, NEW)).status == 403


async def test_those_of_the_settings_are_changed_there(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from-a-file\n")
    configured = {
        "name": "corp",
        "display_name": "Corp",
        "issuer": "https://idp.example",
        "client_id": "tenantry",
        "client_secret_file": secret,
    }
    async with running_server(tmp_path, providers=(configured,)) as server, server.session() as session:
        api = Application(session, server)
        assert [(each["name"], each["configured"]) for each in await api.items(PATH)] == [("corp", True)]
        assert (await api.post(PATH, NEW)).code == "already_exists"
        assert (await api.call("PATCH", f"{PATH}/corp", {"displayName": "x"})).code == "managed_elsewhere"
        assert (await api.call("DELETE", f"{PATH}/corp")).code == "managed_elsewhere"
        services = server.services
        assert services.providers.secret(await services.providers.find("corp")) == "from-a-file"
        assert [provider.name for provider in await services.providers.offered()] == ["corp"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"name": "A"}, "String should match pattern"),
        ({"scopes": ["email"]}, "must have openid"),
        ({"client_secret_file": "/nowhere"}, "cannot read /nowhere"),
        ({"secret": "x"}, "Extra inputs are not permitted"),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, Any], why: str) -> None:
    good = {"name": "corp", "display_name": "C", "issuer": "https://idp.example", "client_id": "x"}
    with pytest.raises(ValueError, match=why):
        Settings(providers=({**good, **change},))
    with pytest.raises(ValueError, match="two providers have the same name"):
        Settings(providers=(good, good))
