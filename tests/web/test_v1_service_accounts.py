"""Service accounts: with no more rights than their maker, by keys and as workloads of a cluster."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tenantry.client.records import Records
from tenantry.client.session import Session
from tenantry.model.kinds import TENANT, Address
from tenantry.model.permissions import ROLES, Role
from tests.support.application import Application
from tests.support.issuer import Issuer
from tests.support.people import add_member, add_session, add_user, browser, seen
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


@pytest.fixture
async def clustered(tmp_path: Path) -> AsyncIterator[Application]:
    """The API of a server that knows two clusters with the same issuer."""
    clusters = [EAST.cluster("east"), WEST.cluster("west", jwks=WEST.jwks(), subjects={})]
    async with running_server(tmp_path, clusters=clusters) as server, server.session() as session:
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
        assert me["permissions"] == ["authenticated", "resources:read", "webhooks:write"]
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


async def test_a_tenant_takes_workloads_of_its_own_namespaces_only(clustered: Application) -> None:
    document = {
        "metadata": {"uid": "1", "generation": 1},
        "spec": {"displayName": "Acme", "planRef": {"name": "pro"}, "namespaces": [{"name": "prod"}]},
    }
    async with Session(clustered.server.base_url, EAST.token()) as session:
        records = Records(session, "east")
        at = Address(TENANT, "", "acme")
        tenant = (await records.put(at, document, instance=await records.instance())).tenant_id
    async with clustered.as_key("platform:admin", tenant_id=tenant) as key:
        for cluster, subject in (("west", APP), ("east", "system:serviceaccount:beta-prod:app")):
            refused = await key.post(ACCOUNTS, CI | {"workload": {"cluster": cluster, "subject": subject}})
            assert [error["path"] for error in refused.body["errors"]] == ["workload.subject"]
        assert (await key.post(ACCOUNTS, CI | {"workload": {"cluster": "east", "subject": APP}})).status == 201
