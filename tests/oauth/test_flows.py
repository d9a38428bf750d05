"""Every flow, driven over HTTPS by clients that nobody here wrote."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from tenantry.model.oauth import ALL_SCOPES
from tests.support.application import KUBERNETES, Application
from tests.support.javascript import run_script
from tests.support.oauth import add_client, issuing_server

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parent / "javascript"


class Drive(Protocol):
    """Runs a flow and tells what it ends with."""

    async def __call__(self, flow: str, **given: Any) -> Any:
        """`given` is what the flow is told."""


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[Application]:
    """The server, for its local administrator."""
    async with issuing_server(tmp_path) as server, server.session() as session:
        yield Application(session, server)


@pytest.fixture
def drive(platform: Application, tmp_path: Path) -> Drive:
    server = platform.server

    async def run(flow: str, script: str = "oauth4webapi.mjs", **given: Any) -> Any:
        issuer = server.services.settings.issuer
        return await run_script(SCRIPTS / script, tmp_path, {"flow": flow, "issuer": issuer, **given}, ca=server.ca)

    return run


async def me(platform: Application, token: str) -> Any:
    """Whom the API takes the bearer of a token for."""
    answer = await platform.get("/v1/me", Authorization=f"Bearer {token}")
    assert answer.status == 200, answer.body
    return answer.body


async def test_the_metadata_are_found_by_both_ways(drive: Drive) -> None:
    found = await drive("discovery", client="none")
    assert found["oidc"] == found["oauth2"]
    assert found["oidc"]["scopes_supported"] == list(ALL_SCOPES)


@pytest.mark.parametrize("proof", ["basic", "post"])
async def test_a_client_acts_for_itself_in_its_tenant(platform: Application, drive: Drive, proof: str) -> None:
    tenant = (await platform.tenant("acme"))["status"]["tenantID"]
    await platform.tenant("other")
    client, secret = await add_client(platform.server, tenant_id=tenant)
    answer = await drive("clientCredentials", client=client.id, secret=secret, proof=proof)
    assert answer["expires_in"] == 300
    assert "refresh_token" not in answer
    found = await me(platform, answer["access_token"])
    assert (found["name"], found["tenant"]) == (f"client:{client.id}", tenant)
    assert set(found["permissions"]) == {"authenticated", "resources:read", "keys:read", "members:read"}
    bearer = {"Authorization": f"Bearer {answer['access_token']}"}
    listed = await platform.get(f"{KUBERNETES}/tenants", **bearer)
    assert [each["metadata"]["name"] for each in listed.body["items"]] == ["acme"]
    assert (await platform.get("/v1/tenants/other", **bearer)).status == 404


async def test_a_client_gets_the_scopes_that_it_asks_for(platform: Application, drive: Drive) -> None:
    client, secret = await add_client(platform.server)
    answer = await drive("clientCredentials", client=client.id, secret=secret, scope="keys:read")
    assert answer["scope"] == "keys:read"
    assert set((await me(platform, answer["access_token"]))["permissions"]) == {"authenticated", "keys:read"}
