"""A pod's ServiceAccount token in the place of a client's secret (RFC 7523): of that workload, for us alone."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.application import Answer, Application
from tests.support.issuer import Issuer
from tests.support.people import seen
from tests.support.reporting import operating
from tests.support.server import running_server

EAST, WEST, STRANGER = Issuer(), Issuer(kid="two"), Issuer()
ACME = "system:serviceaccount:acme-prod:"  # of a namespace that the tenant has
APP = f"{ACME}app"
ROBOT = {"name": "Robot", "grantTypes": ["client_credentials"], "scopes": ["resources:read"]}
WORKLOAD = {"cluster": "east", "subject": APP}
CLIENTS = "/v1/tenants/acme/clients"
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture
async def stored(tmp_path: Path, database_url: str) -> AsyncIterator[Application]:
    """A server that knows two clusters with the same issuer, and a tenant of one of them."""
    clusters = [EAST.cluster("east"), WEST.cluster("west", jwks=WEST.jwks(), subjects={})]
    async with (
        running_server(tmp_path, clusters=clusters, database_url=database_url) as server,
        server.session() as session,
        operating(server, EAST.token()) as operator,
    ):
        await operator.declare("acme", "prod")
        await operator.report("acme", prod="1")
        yield Application(session, server)


async def make(api: Application, path: str = CLIENTS, **body: Any) -> str:
    """A new client; its id."""
    made = await api.post(path, ROBOT | {"workload": WORKLOAD} | body)
    assert made.status == 201, made.body
    assert "clientSecret" not in made.body
    named = body.get("workload") or WORKLOAD
    assert made.body["client"]["workload"] == {**named, "given": not named["subject"].startswith(ACME)}
    await seen(api.server)
    return str(made.body["client"]["id"])


def claims(api: Application, issuer: Issuer = EAST, **changed: Any) -> dict[str, Any]:
    """What a token says that the kubelet has asked for our issuer."""
    return issuer.claims(**{"sub": APP, "aud": [api.server.services.settings.issuer], **changed})


async def use(api: Application, assertion: str, path: str = "/oauth/token", **form: str) -> Answer:
    """What is answered to a client with that assertion."""
    wanted = {"grant_type": "client_credentials"} if path == "/oauth/token" else {"token": "x"}
    data = {**wanted, "client_assertion_type": JWT_BEARER, "client_assertion": assertion, **form}
    async with api.server.session(anonymous=True) as session, session.post(path, data=data) as answer:
        return Answer(status=answer.status, headers=answer.headers, body=await answer.json(content_type=None))


async def test_a_pod_gets_a_token_as_the_client_that_names_it(stored: Application) -> None:
    client = await make(stored)
    assertion = EAST.token(claims(stored))
    got = await use(stored, assertion, client_id=client)
    assert got.status == 200, got.body
    me = (await stored.get("/v1/me", Authorization=f"Bearer {got.body['access_token']}")).body
    assert (me["name"], me["tenant"]["name"]) == (f"client:{client}", "acme")
    assert (await use(stored, assertion, client_id=client)).status == 200  # the pod has it until it expires
    for path in ("/oauth/introspect", "/oauth/revoke"):
        assert (await use(stored, assertion, path, client_id=client)).status == 200
    one = EAST.token(claims(stored, aud=stored.server.services.settings.issuer))
    assert (await use(stored, one, client_id=client)).status == 200
    assert (await stored.call("PATCH", f"/v1/clients/{client}", {"disabled": True})).status == 200
    await seen(stored.server)
    assert (await use(stored, assertion, client_id=client)).status == 401


async def test_no_other_token_is_taken(stored: Application) -> None:
    client, other = await make(stored), await make(stored, workload={**WORKLOAD, "subject": f"{APP}2"})
    now, ours = int(time.time()), stored.server.services.settings.issuer
    bad = {
        "nothing": "",
        "another issuer": EAST.token(claims(stored, iss="https://other.example")),
        "no issuer": EAST.token(claims(stored, iss=None)),
        "for the API": EAST.token(claims(stored, aud=["tenantry-api"])),
        "for more than us": EAST.token(claims(stored, aud=[ours, "tenantry-api"])),
        "for the endpoint": EAST.token(claims(stored, aud=[f"{ours}/oauth/token"])),
        "for nobody": EAST.token(claims(stored, aud=None)),
        "another subject": EAST.token(claims(stored, sub=f"{APP}2")),
        "expired": EAST.token(claims(stored, exp=now - 60)),
        "without end": EAST.token(claims(stored, exp=None)),
        "not yet": EAST.token(claims(stored, nbf=now + 600)),
        "of the other cluster with that issuer": WEST.token(claims(stored, WEST)),
        "by another key of that name": STRANGER.token(claims(stored)),
        "by a key of no name here": EAST.token(claims(stored), kid="three"),
        "another type": EAST.token(claims(stored), typ="at+jwt"),
        "the client's own claims": EAST.token(claims(stored, iss=client, sub=client)),
    }
    unlike = {  # of which no ServiceAccount can be read: so it is another client's than client_id says
        "a longer subject": EAST.token(claims(stored, sub=f"{APP}:x")),
        "no subject": EAST.token(claims(stored, sub=None)),
        "with a key of its own": EAST.token(claims(stored), jwk=EAST.jwks()["keys"][0]),
        "no token": "a.b.c",
    }
    for why, assertion in bad.items():
        refused = await use(stored, assertion, client_id=client)
        assert (refused.status, refused.body["error"]) == (401, "invalid_client"), why
    for why, assertion in unlike.items():
        refused = await use(stored, assertion, client_id=client)
        assert (refused.status, refused.body["error"]) == (400, "invalid_request"), why
    good = EAST.token(claims(stored))
    for changed in ({}, {"client_id": other}, {"client_id": "x"}):
        refused = await use(stored, good, **changed)
        assert (refused.status, refused.body["error"]) == (401, "invalid_client"), changed
    refused = await use(stored, good, client_id=client, client_assertion_type="jwt")
    assert (refused.status, refused.body["error"]) == (401, "invalid_client")
    assert (await use(stored, good, client_id=client)).status == 200


async def test_a_key_of_its_own_is_not_taken_for_the_workload_nor_the_reverse(stored: Application) -> None:
    key = EAST.jwks()
    made = await stored.post(CLIENTS, ROBOT | {"jwks": key})
    await seen(stored.server)
    refused = await use(stored, EAST.token(claims(stored)), client_id=made.body["client"]["id"])
    assert (refused.status, refused.body["error"]) == (401, "invalid_client")


async def test_a_tenant_names_its_own_workloads_and_keeps_no_others(stored: Application) -> None:
    async with operating(stored.server, EAST.token()) as operator:
        tenant = await operator.declare("acme", "prod")
    foreign = {"cluster": "east", "subject": "system:serviceaccount:beta-prod:app"}
    async with stored.as_key("platform:admin", tenant_id=tenant) as key:
        for workload in (foreign, {**WORKLOAD, "cluster": "west"}):
            refused = await key.post("/v1/clients", ROBOT | {"workload": workload})
            assert [error["path"] for error in refused.body["errors"]] == ["workload.subject"]
        client = await make(key, "/v1/clients")
        path = f"/v1/clients/{client}"
        assert (await key.call("PATCH", path, {"workload": foreign})).status == 422
        assert (await key.call("PATCH", path, {"name": "Two"})).status == 200
        gone = await key.call("PATCH", path, {"workload": {"cluster": "", "subject": ""}})
        assert "workload" not in gone.body
    await stored.tenant("gamma")
    given = await make(stored, "/v1/tenants/gamma/clients", workload=foreign)
    assertion = EAST.token(claims(stored, sub=foreign["subject"]))
    assert (await use(stored, assertion, client_id=given)).status == 200
    async with operating(stored.server, EAST.token()) as operator:
        await operator.declare("beta", "prod")
        await operator.report("beta", prod="2")
    await seen(stored.server)
    assert (await use(stored, assertion, client_id=given)).status == 401


async def test_a_clients_workload_ends_with_the_namespace_unless_the_platform_gave_it(stored: Application) -> None:
    elsewhere = "system:serviceaccount:beta-prod:app"
    own = await make(stored)
    given = await make(stored, workload={"cluster": "east", "subject": elsewhere})
    tokens = {own: EAST.token(claims(stored)), given: EAST.token(claims(stored, sub=elsewhere))}
    async with operating(stored.server, EAST.token()) as operator:
        await operator.report("acme")
    await seen(stored.server)
    assert [(await use(stored, tokens[each], client_id=each)).status for each in (own, given)] == [401, 200]
    moved = await stored.call("PATCH", f"/v1/clients/{own}", {"workload": {"cluster": "east", "subject": elsewhere}})
    assert (moved.status, moved.body["workload"]["given"]) == (200, True)
    await seen(stored.server)
    assert (await use(stored, tokens[given], client_id=own)).status == 200


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({"workload": {"cluster": "north", "subject": APP}}, ["workload.cluster"]),
        ({"workload": {"cluster": "", "subject": APP}}, ["workload.cluster"]),
        ({"workload": {"cluster": "east", "subject": "app"}}, ["workload.subject"]),
        ({"workload": {"cluster": "east"}}, ["workload.subject"]),
        ({"workload": WORKLOAD, "jwks": EAST.jwks()}, ["workload"]),
        ({"workload": WORKLOAD, "kind": "Public", "grantTypes": ["refresh_token"]}, ["workload"]),
    ],
)
async def test_what_is_wrong_is_named(stored: Application, body: dict[str, Any], paths: list[str]) -> None:
    refused = await stored.post(CLIENTS, ROBOT | body)
    assert (refused.status, [error["path"] for error in refused.body["errors"]]) == (422, paths)
