"""What a cluster's operator tells about the cluster's own objects: its own client, over HTTP, on each database."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tenantry.client.records import Record, Records
from tenantry.client.session import Session
from tenantry.model.errors import Code, TenantryError
from tenantry.model.kinds import PLAN, TENANT, Address
from tests.support.application import Application
from tests.support.issuer import Issuer
from tests.support.server import running_server

EAST = Issuer()
ACME, PRO = Address(TENANT, "", "acme"), Address(PLAN, "", "pro")
ANOTHER = "01890000-0000-7000-8000-000000000001"
Document = dict[str, Any]


class Cluster:
    """The operator of the cluster `east`, and the administrator who sees what came of what it says."""

    def __init__(self, records: Records, instance: str, admin: Application) -> None:
        self.records, self.instance, self.admin = records, instance, admin

    async def put(self, at: Address, document: Document, **options: Any) -> Record:
        """Tell of an object."""
        return await self.records.put(at, document, **{"instance": self.instance} | options)

    async def delete(self, at: Address, uid: str, **options: Any) -> bool:
        """Tell that an object is being deleted."""
        return await self.records.delete(at, uid=uid, **{"instance": self.instance} | options)

    async def resource(self, path: str) -> Document | None:
        """A stored object, None when there is none."""
        found = await self.admin.get(f"/apis/tenantry.dev/v1alpha1/{path}")
        return dict(found.body) if found.status == 200 else None


@pytest.fixture
async def cluster(tmp_path: Path, database_url: str) -> AsyncIterator[Cluster]:
    """A cluster whose operator has asked for the instance."""
    async with (
        running_server(tmp_path, database_url=database_url, clusters=[EAST.cluster()]) as server,
        Session(server.base_url, EAST.token()) as session,
        server.session() as admin,
    ):
        records = Records(session, "east")
        yield Cluster(records, await records.instance(), Application(admin, server))


def of(uid: str, spec: Document, generation: int = 1) -> Document:
    """An object as its cluster has it."""
    return {"metadata": {"uid": uid, "generation": generation}, "spec": spec}


def tenant(uid: str = "1", generation: int = 1, **spec: Any) -> Document:
    """A Tenant."""
    return of(uid, {"displayName": "Acme", "planRef": {"name": "pro"}} | spec, generation)


async def test_a_record_for_another_database_is_neither_read_nor_written(cluster: Cluster) -> None:
    await cluster.put(ACME, tenant())
    before = await cluster.resource("tenants/acme")
    audit = await cluster.admin.items("/v1/audit")
    status: Document = {"observedGeneration": 1, "conditions": []}
    for refused in (
        cluster.put(ACME, tenant(generation=2, displayName="New"), instance=ANOTHER),
        cluster.put(PRO, of("2", {"displayName": "Pro"}), instance=ANOTHER),
        cluster.records.put_status(ACME, instance=ANOTHER, uid="1", generation=1, status=status),
        cluster.delete(ACME, "1", instance=ANOTHER),
        cluster.delete(PRO, "unknown", instance=ANOTHER),
    ):
        with pytest.raises(TenantryError) as caught:
            await refused
        assert caught.value.code is Code.WRONG_INSTANCE
        assert ANOTHER in caught.value.message
    assert await cluster.resource("tenants/acme") == before
    assert await cluster.resource("plans/pro") is None
    assert await cluster.admin.items("/v1/audit") == audit
    assert await cluster.records.instance() == cluster.instance


async def test_every_record_says_which_database_it_is_for(cluster: Cluster) -> None:
    headers = {"Authorization": f"Bearer {EAST.token()}"}
    path = "/v1/clusters/east/tenants/acme"
    for method, suffix in (("PUT", ""), ("PUT", "/status"), ("DELETE", "?uid=1")):
        body = {"uid": "1", "generation": 1, "spec": tenant()["spec"]} if method == "PUT" else None
        answer = await cluster.admin.call(method, f"{path}{suffix}", body, **headers)
        assert (answer.status, answer.code) == (400, "bad_request")
        assert "instance" in [error["path"] for error in answer.body["errors"]]
    assert await cluster.resource("tenants/acme") is None


async def test_only_its_own_operator_is_told_the_instance(cluster: Cluster) -> None:
    headers = {"Authorization": f"Bearer {EAST.token()}"}
    assert (await cluster.admin.call("GET", "/v1/clusters/east", **headers)).body == {"instance": cluster.instance}
    assert (await cluster.admin.call("GET", "/v1/clusters/west", **headers)).code == "forbidden"
    assert (await cluster.admin.get("/v1/clusters/east")).code == "forbidden"


async def identity(cluster: Cluster, name: str, wanted: str = "") -> str:
    """The identity of a new Tenant that its cluster knows, or does not."""
    document = tenant(f"{name}-{wanted[-2:]}") | {"status": {"tenantID": wanted} if wanted else {}}
    return (await cluster.put(Address(TENANT, "", name), document)).tenant_id


async def test_a_tenant_keeps_the_identity_that_its_cluster_knows_unless_it_is_anothers(cluster: Cluster) -> None:
    assert await identity(cluster, "acme", ANOTHER) == ANOTHER
    assert await identity(cluster, "thief", ANOTHER) not in {"", ANOTHER}
    await cluster.delete(ACME, "acme-01")
    assert await identity(cluster, "robber", ANOTHER) not in {"", ANOTHER}
    unknown = ANOTHER.replace("1", "2")
    assert await identity(cluster, "acme", unknown) == ANOTHER, "what its tombstone keeps counts"
    assert await identity(cluster, "fresh") not in {"", ANOTHER}
