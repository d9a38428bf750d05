"""Service accounts: with no more rights than their maker, by keys and as workloads of a cluster."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tenantry.model.errors import Code, TenantryError
from tenantry.model.permissions import ROLES, Role
from tests.support.application import Application
from tests.support.issuer import SUBJECT, Issuer
from tests.support.people import add_member, add_session, add_user, browser, seen
from tests.support.reporting import operating
from tests.support.server import ServerInProcess, running_server

ACCOUNTS = "/v1/tenants/acme/service-accounts"
CI = {"name": "ci", "role": "developer"}
KEY = {"name": "k", "scopes": ["resources:read", "webhooks:write", "members:write"]}
APP = "system:serviceaccount:acme-prod:app"
EAST, WEST = Issuer(), Issuer(kid="two")


@asynccontextmanager
async def bearing(server: ServerInProcess, token: str) -> AsyncIterator[Application]:
    async with aiohttp.ClientSession(server.base_url, headers={"Authorization": f"Bearer {token}"}) as session:
        yield Application(session, server)


CLUSTERS = [EAST.cluster("east"), WEST.cluster("west", jwks=WEST.jwks(), subjects={})]


@pytest.fixture
async def clustered(tmp_path: Path) -> AsyncIterator[Application]:
    """The API of a server that knows two clusters with the same issuer."""
    async with running_server(tmp_path, clusters=CLUSTERS) as server, server.session() as session:
        yield Application(session, server)


@pytest.fixture
async def stored(tmp_path: Path, database_url: str) -> AsyncIterator[Application]:
    """The same on each database."""
    async with (
        running_server(tmp_path, clusters=CLUSTERS, database_url=database_url) as server,
        server.session() as session,
    ):
        yield Application(session, server)


async def test_one_acts_by_its_keys_as_its_role_is_now(v1: Application) -> None:
    tenant = (await v1.tenant("acme"))["status"]["tenantID"]
    await v1.tenant("beta")
    made = await v1.post(ACCOUNTS, CI)
    assert made.status == 201
    path = made.headers["Location"]
    assert path == f"{ACCOUNTS}/{made.body['id']}"
    assert await v1.items(ACCOUNTS) == [made.body] == [(await v1.get(path)).body]
    key = (await v1.post(f"{path}/keys", KEY)).body
    assert key["key"]["actsAs"] == f"service-account:{made.body['id']}"
    assert await v1.items(f"{path}/keys") == [key["key"]]
    async with bearing(v1.server, key["token"]) as api:
        me = (await api.get("/v1/me")).body
        assert me["name"] == f"service-account:{made.body['id']}"
        assert (me["tenant"]["id"], me["tenant"]["role"], me["user"]) == (tenant, "developer", None)
        assert key["permissions"] == me["permissions"] == ["authenticated", "resources:read", "webhooks:write"]
        assert (await api.get("/v1/tenants/beta")).code == "not_found"
        assert (await v1.call("PATCH", path, {"role": "admin"}, if_match=made.etag)).status == 200
        await seen(v1.server)
        assert "members:write" in (await api.get("/v1/me")).body["permissions"]
        assert (await v1.call("PATCH", path, {"role": "viewer"}, if_match=made.etag)).code == "precondition_failed"
        assert (await v1.call("PATCH", path, {"state": "Disabled"})).body["state"] == "Disabled"
        await seen(v1.server)
        assert (await api.get("/v1/me")).status == 401
        assert (await v1.call("PATCH", path, {"state": "Active"})).status == 200
        await seen(v1.server)
        assert (await api.get("/v1/me")).status == 200
        assert (await v1.call("DELETE", path)).status == 200
        await seen(v1.server)
        assert (await api.get("/v1/me")).status == 401
    assert (await v1.get(path)).code == "not_found"
    assert (await v1.get(f"/v1/keys/{key['key']['id']}")).body["state"] == "Revoked"
    assert [row["action"] for row in await v1.items(f"/v1/audit?name={made.body['id']}")] == [
        "service-account.delete",
        *["service-account.update"] * 3,
        "service-account.create",
    ]


@pytest.mark.parametrize(("role", "most"), [(Role.OWNER, Role.OWNER), (Role.ADMIN, Role.ADMIN)])
async def test_none_has_more_rights_than_who_makes_or_changes_it(v1: Application, role: Role, most: Role) -> None:
    tenant = (await v1.tenant("acme"))["status"]["tenantID"]
    user = await add_user(v1.server)
    await add_member(v1.server, tenant, user, role)
    of_owner = (await v1.post(ACCOUNTS, {"name": "root", "role": "owner"})).headers["Location"]
    async with browser(v1.server, await add_session(v1.server, user, tenant)) as api:
        for wanted in Role:
            made = await api.post(ACCOUNTS, {"name": wanted, "role": wanted})
            assert made.status == (201 if most.covers(wanted) else 403), wanted
        status = 200 if role is Role.OWNER else 403
        assert (await api.call("PATCH", of_owner, {"role": "viewer"})).status == status
        assert (await api.call("DELETE", of_owner)).status == (200 if role is Role.OWNER else 403)
        viewer = (await api.items(ACCOUNTS))[-1]
        refused = await api.post(f"{ACCOUNTS}/{viewer['id']}/keys", {"name": "k", "scopes": ["owners:write"]})
        assert refused.status == (201 if role is Role.OWNER else 403)
    async with v1.as_key("service-accounts:write", tenant_id=tenant) as key:
        assert (await key.post(ACCOUNTS, CI | {"name": "x"})).code == "forbidden"


async def test_one_of_the_platform_has_scopes(v1: Application) -> None:
    tenant = (await v1.tenant("acme"))["status"]["tenantID"]
    made = await v1.post("/v1/service-accounts", {"name": "reader", "scopes": ["platform:read"]})
    assert made.status == 201
    assert (await v1.post("/v1/service-accounts", {"name": "r", "scopes": ["platform:reconcile"]})).code == "forbidden"
    key = (await v1.post(f"{made.headers['Location']}/keys", {"name": "k", "scopes": ["platform:admin"]})).body
    async with bearing(v1.server, key["token"]) as api:
        assert (await api.get("/v1/me")).body["permissions"] == ["audit:read", "authenticated", "resources:read"]
        assert (await api.get("/v1/tenants/acme")).status == 200
    async with v1.as_key("platform:admin", tenant_id=tenant) as own:  # sees those of its tenant there
        assert await own.items("/v1/service-accounts") == []
        assert (await own.get(made.headers["Location"])).code == "not_found"
        refused = await own.post("/v1/service-accounts", {"name": "x", "scopes": ["platform:read"]})
        assert [error["path"] for error in refused.body["errors"]] == ["role", "scopes"]


async def test_no_key_is_made_that_it_could_never_use(v1: Application) -> None:
    await v1.tenant("acme")
    of_tenant = (await v1.post(ACCOUNTS, CI)).headers["Location"]
    wanted = {"name": "reader", "scopes": ["platform:read"]}
    of_platform = (await v1.post("/v1/service-accounts", wanted)).headers["Location"]
    for path, scopes, supported in (
        (of_tenant, ["resources:read", "platform:read"], "resources:read"),
        (of_platform, ["platform:read", "members:write"], "platform:admin"),
    ):
        refused = await v1.post(f"{path}/keys", {"name": "k", "scopes": scopes})
        (error,) = refused.body["errors"]
        assert (refused.status, error["path"], error["code"]) == (422, "scopes[1]", "FieldValueNotSupported")
        assert error["message"].startswith(f'Unsupported value: "{scopes[1]}": supported values: "{supported}", ')
        assert f'"{scopes[1]}"' not in error["message"].partition("supported values")[2]
        assert await v1.items(f"{path}/keys") == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "paths"),
    [
        ({"name": "CI"}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"role": None}, ["role"]),
        ({"role": "king"}, ["role"]),
        ({"scopes": ["resources:read"]}, ["scopes"]),
        ({"workload": {"cluster": "north", "subject": APP}}, ["workload.cluster"]),
        ({"workload": {"cluster": "east", "subject": "system:node:a"}}, ["workload.subject"]),
        ({"workload": {"cluster": "east", "subject": f"{APP}:x"}}, ["workload.subject"]),
        ({"workload": {"cluster": "east"}}, ["workload.subject"]),
    ],
)
async def test_every_wrong_field_is_named(clustered: Application, change: dict[str, Any], paths: list[str]) -> None:
    await clustered.tenant("acme")
    refused = await clustered.post(ACCOUNTS, CI | change)
    assert (refused.status, [error["path"] for error in refused.body["errors"]]) == (422, paths)


async def test_a_name_and_a_workload_are_taken_once(clustered: Application) -> None:
    await clustered.tenant("acme")
    workload = {"workload": {"cluster": "east", "subject": APP}}
    made = await clustered.post(ACCOUNTS, CI | workload)
    assert made.status == 201
    assert (await clustered.post(ACCOUNTS, CI)).code == "already_exists"
    assert (await clustered.post(ACCOUNTS, CI | workload | {"name": "two"})).code == "already_exists"
    assert len(await clustered.items(ACCOUNTS)) == 1
    assert (await clustered.call("DELETE", made.headers["Location"])).status == 200
    assert (await clustered.post(ACCOUNTS, CI | workload | {"name": "two"})).status == 201


async def test_a_workload_is_the_service_account_that_names_it_in_its_own_cluster(clustered: Application) -> None:
    tenant = (await clustered.tenant("acme"))["status"]["tenantID"]
    token = EAST.token(EAST.claims(sub=APP))
    async with (
        bearing(clustered.server, token) as app,
        bearing(clustered.server, WEST.token(WEST.claims(sub=APP))) as namesake,
    ):
        assert (await app.get("/v1/me")).status == 401
        made = await clustered.post(ACCOUNTS, CI | {"workload": {"cluster": "east", "subject": APP}})
        await seen(clustered.server)
        me = (await app.get("/v1/me")).body
        assert (me["name"], me["cluster"]) == (f"service-account:{made.body['id']}", "east")
        assert (me["tenant"]["id"], set(me["permissions"])) == (tenant, {*ROLES[Role.DEVELOPER], "authenticated"})
        assert (await namesake.get("/v1/me")).status == 401
        assert (await clustered.call("PATCH", made.headers["Location"], {"role": "viewer"})).status == 200
        await seen(clustered.server)
        assert "audit:read" not in (await app.get("/v1/me")).body["permissions"]
        assert (await clustered.call("DELETE", made.headers["Location"])).status == 200
        await seen(clustered.server)
        assert (await app.get("/v1/me")).status == 401


def of(namespace: str, cluster: str = "east") -> dict[str, Any]:
    """A service account that is a workload in that namespace."""
    subject = f"system:serviceaccount:{namespace}:app"
    return {"name": f"of-{namespace}", "role": "developer", "workload": {"cluster": cluster, "subject": subject}}


async def test_a_tenant_takes_workloads_of_namespaces_that_are_its_own(stored: Application) -> None:
    async with operating(stored.server, EAST.token()) as operator:
        tenant = await operator.declare("acme", "prod", "taken", "new")
        await operator.declare("acme-eu", "prod")
        await operator.report("acme", prod="1", taken="")
        await operator.report("acme-eu", prod="2")
    async with stored.as_key("platform:admin", tenant_id=tenant) as key:
        for wanted in (
            of("acme-prod", "west"),  # whose operator has not reported it
            of("beta-prod"),
            of("acme-eu-prod"),  # of the tenant acme-eu: a suffix has no hyphen
            of("acme-taken"),  # of somebody who is no tenant, as the operator has seen
            of("acme-new"),  # not made yet
        ):
            refused = await key.post(ACCOUNTS, wanted)
            assert [error["path"] for error in refused.body["errors"]] == ["workload.subject"], wanted
        assert (await key.post(ACCOUNTS, of("acme-prod"))).status == 201


async def test_no_name_of_a_namespace_is_two_tenants(stored: Application) -> None:
    async with operating(stored.server, EAST.token()) as operator:
        await operator.declare("acme-eu", "prod")
        with pytest.raises(TenantryError) as refused:
            await operator.declare("acme", "eu-prod")
    assert refused.value.code is Code.INVALID


async def test_a_workload_in_a_tenants_namespace_is_nobody_elses(stored: Application) -> None:
    """Neither when the platform gives it to another or to itself, nor when it did so before it was the tenant's."""
    await stored.tenant("beta")
    betas = "/v1/tenants/beta/service-accounts"
    async with (
        bearing(stored.server, EAST.token(EAST.claims(sub=APP))) as app,
        operating(stored.server, EAST.token()) as operator,
    ):
        assert (await stored.post(betas, of("acme-prod"))).status == 201
        await seen(stored.server)
        assert (await app.get("/v1/me")).body["tenant"]["name"] == "beta"
        await operator.declare("acme", "prod", "dev")
        await operator.report("acme", prod="1", dev="2")
        await seen(stored.server)
        assert (await app.get("/v1/me")).status == 401
    of_platform = {"name": "x", "scopes": ["platform:read"], "workload": of("acme-dev")["workload"]}
    for path, wanted in ((betas, of("acme-dev")), ("/v1/service-accounts", of_platform)):
        refused = await stored.post(path, wanted)
        assert [error["path"] for error in refused.body["errors"]] == ["workload.subject"]
    assert (await stored.post(ACCOUNTS, of("acme-dev"))).status == 201
    assert (await stored.post(ACCOUNTS, of("acme-dev", "west"))).code == "already_exists"  # by its name


async def test_a_workload_is_the_tenants_for_as_long_as_it_has_the_namespace(stored: Application) -> None:
    """What the platform gave, while the namespace was nobody's, lasts."""
    given = EAST.token(EAST.claims(sub="system:serviceaccount:beta-prod:app"))
    async with (
        bearing(stored.server, EAST.token(EAST.claims(sub=APP))) as app,
        bearing(stored.server, given) as other,
        operating(stored.server, EAST.token()) as operator,
    ):
        tenant = await operator.declare("acme", "prod")
        await operator.report("acme", prod="1")
        async with stored.as_key("platform:admin", tenant_id=tenant) as key:
            assert (await key.post(ACCOUNTS, of("acme-prod"))).status == 201
        assert (await stored.post(ACCOUNTS, of("beta-prod"))).status == 201
        await seen(stored.server)
        assert [(await each.get("/v1/me")).status for each in (app, other)] == [200, 200]
        await operator.report("acme")
        await seen(stored.server)
        assert [(await each.get("/v1/me")).status for each in (app, other)] == [401, 200]
        await operator.report("acme", prod="2")
        await seen(stored.server)
        assert (await app.get("/v1/me")).status == 200


async def test_whom_the_settings_name_is_no_service_account(clustered: Application) -> None:
    await clustered.tenant("acme")
    refused = await clustered.post(ACCOUNTS, CI | {"workload": {"cluster": "east", "subject": SUBJECT}})
    assert [error["path"] for error in refused.body["errors"]] == ["workload.subject"]
