"""Every flow, driven over HTTPS by clients that nobody here wrote."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from joserfc.jwk import RSAKey

from tenantry.model.identity import User
from tenantry.model.oauth import ALL_SCOPES, CLI
from tenantry.model.permissions import Role
from tests.cluster.processes import free_port
from tests.support.application import KUBERNETES, Application
from tests.support.javascript import run_script
from tests.support.oauth import CALLBACK, add_client, issuing_server
from tests.support.people import add_member, add_session, add_user, browser

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
    assert (found["name"], found["tenant"]["id"]) == (f"client:{client.id}", tenant)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A member of a tenant at a browser."""

    user: User
    tenant: str
    cookie: str

    @property
    def session_id(self) -> str:
        """Of the cookie."""
        return self.cookie.split("_")[1]


@pytest.fixture
async def ada(platform: Application) -> Person:
    """A viewer of the tenant `acme`, who is signed in there."""
    tenant = (await platform.tenant("acme"))["status"]["tenantID"]
    user = await add_user(platform.server, name="Ada")
    await add_member(platform.server, tenant, user, Role.VIEWER)
    return Person(user=user, tenant=tenant, cookie=await add_session(platform.server, user, tenant))


async def test_a_person_lets_a_client_act(platform: Application, drive: Drive, ada: Person) -> None:
    client, secret = await add_client(platform.server)
    given = {"client": client.id, "secret": secret, "cookie": ada.cookie, "redirect": CALLBACK}
    found = await drive("code", **given, scope="openid resources:read keys:read")
    assert found["asked"]
    assert found["claims"]["sub"] == found["access"]["sub"] == ada.user.id
    assert found["claims"]["amr"] == ["pwd"]
    assert found["claims"]["sid"] == ada.session_id
    assert found["access"]["tid"] == ada.tenant
    assert found["tokens"]["expires_in"] == 900
    seen = await me(platform, found["tokens"]["access_token"])
    assert (seen["name"], seen["tenant"]["id"]) == (f"user:{ada.user.id}", ada.tenant)
    assert set(seen["permissions"]) == {"authenticated", "resources:read"}  # a viewer sees no keys, whatever the scope
    assert not (await drive("code", **given, scope="openid resources:read"))["asked"]  # it was allowed before
    assert (await drive("code", **given, scope="openid members:read"))["asked"]


async def test_nobody_is_asked_for_a_client_of_ours(platform: Application, drive: Drive, ada: Person) -> None:
    client, secret = await add_client(platform.server, first_party=True)
    given = {"client": client.id, "secret": secret, "cookie": ada.cookie, "redirect": CALLBACK}
    found = await drive("code", **given, scope="openid offline_access resources:read")
    assert not found["asked"]
    assert "sid" not in found["access"]


async def test_the_command_line_asks_each_time(drive: Drive, ada: Person) -> None:
    """RFC 8252, 8.6: any program on the machine can listen on loopback, and say that it is the command line."""
    given = {"client": CLI.id, "cookie": ada.cookie}
    redirect = f"http://127.0.0.1:{free_port()}/callback"
    for _ in range(2):
        found = await drive("code", **given, redirect=redirect, scope="openid offline_access resources:read")
        assert found["asked"]
    more = {"prompt": "none"}
    assert await drive("refused", **given, redirect=redirect, more=more) == "consent_required"


async def test_a_person_may_refuse(platform: Application, drive: Drive, ada: Person) -> None:
    client, secret = await add_client(platform.server)
    given = {"client": client.id, "secret": secret, "cookie": ada.cookie, "redirect": CALLBACK}
    assert await drive("refused", **given, decision="deny") == "access_denied"


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"prompt": "none"}, "consent_required"),
        ({"prompt": "none", "max_age": "0"}, "login_required"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "create"}, "invalid_request"),
        ({"scope": "openid platform:admin"}, "invalid_scope"),
        ({"scope": "nonsense"}, "invalid_scope"),
        ({"scope": ""}, "invalid_scope"),
        ({"scope": " "}, "invalid_scope"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"resource": "https://other.example.com"}, "invalid_target"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": ""}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"request": "x"}, "request_not_supported"),
    ],
)
async def test_errors_go_to_the_client_with_its_state_and_our_issuer(
    platform: Application, drive: Drive, ada: Person, more: dict[str, str], error: str
) -> None:
    client, secret = await add_client(platform.server)
    given = {"client": client.id, "secret": secret, "cookie": ada.cookie, "redirect": CALLBACK}
    assert await drive("refused", **given, more=more) == error


async def test_a_refresh_keeps_who_and_when(platform: Application, drive: Drive, ada: Person) -> None:
    client, secret = await add_client(platform.server, first_party=True)
    found = await drive("refresh", client=client.id, secret=secret, cookie=ada.cookie, redirect=CALLBACK)
    for name in ("sub", "auth_time", "sid", "amr"):
        assert found["before"][name] == found["after"][name]


async def test_who_it_is_as_far_as_the_scopes_go(platform: Application, drive: Drive, ada: Person) -> None:
    client, secret = await add_client(platform.server, first_party=True)
    given = {"client": client.id, "secret": secret, "cookie": ada.cookie, "redirect": CALLBACK}
    known = {"sub": ada.user.id, "name": "Ada", "email": ada.user.email, "email_verified": True}
    assert await drive("userinfo", **given, scope="openid profile email") == known
    assert await drive("userinfo", **given, scope="openid") == {"sub": ada.user.id}


@pytest.mark.parametrize(("token", "left"), [("access_token", [False, True]), ("refresh_token", [False, False])])
async def test_tokens_can_be_looked_into_and_given_back(
    platform: Application, drive: Drive, ada: Person, token: str, left: list[bool]
) -> None:
    client, secret = await add_client(platform.server, first_party=True)
    given = {"client": client.id, "secret": secret, "cookie": ada.cookie, "redirect": CALLBACK}
    found = await drive("revoke", **given, scope="openid offline_access keys:read", token=token)
    assert [each["active"] for each in found["before"]] == [True, True]
    assert found["before"][0]["sub"] == found["before"][1]["sub"] == ada.user.id
    assert found["before"][0]["scope"] == "keys:read offline_access openid"
    assert [each["active"] for each in found["after"]] == left
    bearer = {"Authorization": f"Bearer {found['tokens']['access_token']}"}
    assert (await platform.get("/v1/me", **bearer)).status == 401


async def test_a_device_is_connected_by_who_compares_its_code(platform: Application, drive: Drive, ada: Person) -> None:
    given = {"client": CLI.id, "cookie": ada.cookie, "scope": "openid resources:read", "decision": "allow"}
    found = await drive("device", **given)
    assert found["refused"] == ["authorization_pending", "slow_down"]
    assert CLI.name in found["page"]
    assert "for 30 days, also when you have signed out" in found["page"]
    assert "127.0.0.1" in found["page"] or "::1" in found["page"]
    assert "refresh_token" in found["tokens"]
    seen = await me(platform, found["tokens"]["access_token"])
    assert (seen["name"], seen["tenant"]["id"]) == (f"user:{ada.user.id}", ada.tenant)


async def test_a_device_may_be_refused(drive: Drive, ada: Person) -> None:
    given = {"client": CLI.id, "cookie": ada.cookie, "scope": "openid", "decision": "deny"}
    assert (await drive("device", **given))["error"] == "access_denied"


async def test_a_client_proves_itself_with_its_key(platform: Application, drive: Drive) -> None:
    key = RSAKey.generate_key(2048, {"kid": "one", "alg": "RS256"})
    jwks = json.dumps({"keys": [key.as_dict(private=False)]})
    client, _ = await add_client(platform.server, jwks=jwks)
    answer = await drive("privateKey", client=client.id, key=key.as_dict(private=True))
    assert (await me(platform, answer["access_token"]))["name"] == f"client:{client.id}"


async def test_a_client_signs_a_person_out(platform: Application, drive: Drive, ada: Person) -> None:
    client, secret = await add_client(platform.server, first_party=True)
    given = {"client": client.id, "secret": secret, "cookie": ada.cookie, "redirect": CALLBACK}
    found = await drive("logout", **given, bye="https://app.example.com/bye")
    assert found["reached"] == "https://app.example.com/bye?state=s1"
    async with browser(platform.server, ada.cookie) as person:
        assert (await person.get("/v1/me")).status == 401
    bearer = {"Authorization": f"Bearer {found['tokens']['access_token']}"}
    assert (await platform.get("/v1/me", **bearer)).status == 401  # it ends with the session


async def test_an_application_that_does_everything(platform: Application, drive: Drive, ada: Person) -> None:
    client, secret = await add_client(platform.server, first_party=True)
    found = await drive(
        "everything",
        script="openid-client.mjs",
        client=client.id,
        secret=secret,
        cookie=ada.cookie,
        redirect=CALLBACK,
        bye="https://app.example.com/bye",
        scope="openid profile email offline_access resources:read",
    )
    assert found["claims"]["sub"] == found["user"]["sub"] == ada.user.id
    assert found["user"]["email"] == ada.user.email
    assert (found["before"]["active"], found["after"]["active"]) == (True, False)
    assert found["machine"]["scope"] == "resources:read"
    assert found["reached"] == "https://app.example.com/bye"


async def test_an_application_on_a_device(drive: Drive, ada: Person) -> None:
    given = {"client": CLI.id, "cookie": ada.cookie, "scope": "openid resources:read"}
    found = await drive("device", script="openid-client.mjs", **given)
    assert found["claims"]["sub"] == ada.user.id


async def test_tokens_can_be_signed_with_another_algorithm(tmp_path: Path) -> None:
    async with issuing_server(tmp_path, signing_algorithm="ES256") as server, server.session() as session:
        platform = Application(session, server)
        client, secret = await add_client(server)
        given = {"flow": "clientCredentials", "issuer": server.services.settings.issuer, "client": client.id}
        script = SCRIPTS / "oauth4webapi.mjs"
        answer = await run_script(script, tmp_path, {**given, "secret": secret}, ca=server.ca)
        assert (await me(platform, answer["access_token"]))["name"] == f"client:{client.id}"
