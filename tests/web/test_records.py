"""What a cluster's operator tells about the cluster's own objects: its own client, over HTTP, on each database."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tenantry.client.records import Record, Records
from tenantry.client.session import Session
from tenantry.model.errors import Code, TenantryError
from tenantry.model.kinds import CONFIG, PLAN, TENANT, Address
from tenantry.storage import work
from tests.support.application import Application
from tests.support.issuer import Issuer
from tests.support.server import running_server

EAST = Issuer()
ACME, PRO = Address(TENANT, "", "acme"), Address(PLAN, "", "pro")
WEB = Address(CONFIG, "tenantry-system", "web")
#: a layer of acme in its own namespace, and another object that asks for the same
THEME, RIVAL = Address(CONFIG, "acme-prod", "theme"), Address(CONFIG, "acme-dev", "rival")
OF_ACME = {"tenant": {"ref": "acme"}}
CONFIGS = "namespaces/east.acme-prod/configs"
ANOTHER = "01890000-0000-7000-8000-000000000001"
Document = dict[str, Any]


class Cluster:
    """The operator of the cluster `east`, and the administrator who sees what came of what it says."""

    def __init__(self, records: Records, instance: str, admin: Application, start: str) -> None:
        self.records, self.instance, self.admin = records, instance, admin
        self.start = start  # resourceVersion

    async def put(self, at: Address, document: Document, **options: Any) -> Record:
        """Tell of an object; a Config in a namespace of acme's, unless that is what is tested."""
        tenant = "acme" if at.namespace.startswith("acme-") else ""
        return await self.records.put(at, document, **{"instance": self.instance, "tenant": tenant} | options)

    async def delete(self, at: Address, uid: str, **options: Any) -> bool:
        """Tell that an object is being deleted."""
        return await self.records.delete(at, uid=uid, **{"instance": self.instance} | options)

    async def gone(self, path: str) -> Document:
        """A stored object as it was last, once a watch from the start has told that it is deleted."""
        collection, name = path.rsplit("/", 1)
        url = f"/apis/tenantry.dev/v1alpha1/{collection}"
        parameters = {"watch": "true", "fieldSelector": f"metadata.name={name}", "timeoutSeconds": "20"}
        parameters["resourceVersion"] = self.start
        async with self.admin.session.get(url, params=parameters) as watch:
            while line := await watch.content.readline():
                event = json.loads(line)
                if event["type"] == "DELETED":
                    return dict(event["object"])
        raise AssertionError(f"{path} stays")

    async def rested(self, kind: str = work.STATUS) -> None:
        """Wait until the worker has done what there was to do."""
        db = self.admin.server.services.db
        async with asyncio.timeout(20):
            while await db.run(work.depth, kind):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.05)

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
        api = Application(admin, server)
        start = (await api.get("/apis/tenantry.dev/v1alpha1/tenants")).body["metadata"]["resourceVersion"]
        yield Cluster(records, await records.instance(), api, start)


def of(uid: str, spec: Document, generation: int = 1) -> Document:
    """An object as its cluster has it."""
    return {"metadata": {"uid": uid, "generation": generation}, "spec": spec}


def config(uid: str, scope: Document | None = None, **spec: Any) -> Document:
    """A layer of the config set `web`, the global one unless a scope is given."""
    return of(uid, {"configSet": "web", "scope": scope or {"global": {}}} | spec)


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


@pytest.mark.slow
async def test_a_record_invites_the_first_administrators(cluster: Cluster) -> None:
    async def invited() -> list[tuple[str, str]]:
        await cluster.rested(work.ADMINS)
        found = await cluster.admin.items("/v1/tenants/acme/invites")
        return sorted((each["email"], each["state"]) for each in found)

    await cluster.put(ACME, tenant(admins=["ada@example.com"]))
    assert await invited() == [("ada@example.com", "Pending")]
    await cluster.put(ACME, tenant(admins=["ada@example.com"]))
    await cluster.put(ACME, tenant(generation=2, admins=["ada@example.com"], displayName="New"))
    assert await invited() == [("ada@example.com", "Pending")]
    await cluster.put(ACME, tenant(generation=3, admins=["bob@example.com"]))
    assert await invited() == [("ada@example.com", "Revoked"), ("bob@example.com", "Pending")]


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


async def test_of_tenants_that_ask_for_one_identity_at_once_one_has_it(cluster: Cluster) -> None:
    found = await asyncio.gather(*(identity(cluster, f"t{number}", ANOTHER) for number in range(16)))
    assert found.count(ANOTHER) == 1
    assert len(set(found)) == 16


async def test_a_new_object_takes_over_only_what_it_replaces(cluster: Cluster) -> None:
    first = await cluster.put(ACME, tenant("1"))
    refused = await cluster.put(ACME, tenant("2", displayName="Two"))
    assert (refused.uid, refused.changed, refused.revision) == ("1", False, 1)
    taken = await cluster.put(ACME, tenant("2", displayName="Two"), replaces="1")
    assert (taken.uid, taken.changed, taken.revision) == ("2", True, 2)
    assert taken.tenant_id == first.tenant_id
    for late in (tenant("1", 9, displayName="Late"), tenant("3", displayName="Later")):
        for replaces in ("", "0", "1"):
            answer = await cluster.put(ACME, late, replaces=replaces)
            assert (answer.uid, answer.changed) == ("2", False)
    stored = await cluster.resource("tenants/acme")
    assert stored
    assert stored["spec"]["displayName"] == "Two"


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("at", [ACME, PRO, WEB], ids=["Tenant", "Plan", "Config"])
async def test_an_object_that_was_reported_gone_never_comes_back(cluster: Cluster, at: Address, *, known: bool) -> None:
    def made(uid: str) -> Document:
        return tenant(uid) if at is ACME else config(uid) if at is WEB else of(uid, {"displayName": "Pro"})

    if known:
        await cluster.put(at, made("1"))
    assert await cluster.delete(at, "1") is known
    with pytest.raises(TenantryError) as caught:
        await cluster.put(at, made("1"))
    assert caught.value.code is Code.CONFLICT
    assert await cluster.delete(at, "1") is False
    path = f"namespaces/east.{at.namespace}/configs/web" if at is WEB else f"{at.kind.plural}/{at.name}"
    assert await cluster.resource(path) is None
    assert (await cluster.put(at, made("2"))).uid == "2"
    assert await cluster.resource(path)


async def test_an_object_that_was_replaced_never_comes_back(cluster: Cluster) -> None:
    await cluster.put(ACME, tenant("1"))
    await cluster.put(ACME, tenant("2"), replaces="1")
    await cluster.delete(ACME, "2")
    with pytest.raises(TenantryError) as caught:
        await cluster.put(ACME, tenant("1"))
    assert caught.value.code is Code.CONFLICT
    assert await cluster.resource("tenants/acme") is None


async def test_of_two_objects_the_new_one_wins_in_any_order(cluster: Cluster) -> None:
    async def told(*arguments: Any, **options: Any) -> None:
        with suppress(TenantryError):  # beaten to it: the operator comes back
            await cluster.put(*arguments, **options)

    for number in range(10):
        at = Address(TENANT, "", f"t{number}")
        await cluster.put(at, tenant(f"{number}-1"))
        late = [told(at, tenant(f"{number}-1", generation, displayName="Late")) for generation in (2, 3)]
        await asyncio.gather(late[0], told(at, tenant(f"{number}-2"), replaces=f"{number}-1"), late[1])
        final = await cluster.put(at, tenant(f"{number}-2"), replaces=f"{number}-1")
        await told(at, tenant(f"{number}-1", 4, displayName="Late"))
        assert final.uid == (await cluster.put(at, tenant(f"{number}-2"))).uid == f"{number}-2"


async def test_a_new_object_may_be_another_layer(cluster: Cluster) -> None:
    await cluster.put(WEB, config("1"))
    with pytest.raises(TenantryError) as caught:
        await cluster.put(WEB, config("1", {"plan": {"ref": "pro"}}))
    assert caught.value.code is Code.INVALID
    await cluster.put(WEB, config("2", {"plan": {"ref": "pro"}}), replaces="1")
    stored = await cluster.resource("namespaces/east.tenantry-system/configs/web")
    assert stored
    assert stored["spec"]["scope"] == {"plan": {"ref": "pro"}}
    heir = Address(CONFIG, "tenantry-system", "heir")
    assert (await cluster.put(heir, config("3"))).conditions[-1]["reason"] == "Published"


def reason(record: Record, kind: str) -> str:
    """The reason of one condition."""
    return next(str(each["reason"]) for each in record.conditions if each["type"] == kind)


def message(record: Record, kind: str) -> str:
    """The message of one condition."""
    return next(str(each["message"]) for each in record.conditions if each["type"] == kind)


async def test_an_orphan_is_served_until_its_object_comes_back(cluster: Cluster) -> None:
    await cluster.put(ACME, tenant())
    await cluster.put(THEME, config("1", OF_ACME, values={"a": 1}))
    assert await cluster.delete(THEME, "1", orphan=True)
    orphan = await cluster.resource(f"{CONFIGS}/theme")
    assert orphan
    assert orphan["spec"]["values"] == {"a": 1}
    assert [(each["type"], each["status"]) for each in orphan["status"]["conditions"]] == [("Orphaned", "True")]
    [row] = await cluster.admin.items("/v1/audit?action=orphan")
    assert row["name"] == "theme"
    assert not await cluster.delete(THEME, "1", orphan=True)
    with pytest.raises(TenantryError) as caught:
        await cluster.put(THEME, config("1", OF_ACME))
    assert caught.value.code is Code.CONFLICT
    back = await cluster.put(THEME, config("2", OF_ACME, values={"a": 1}))
    assert (back.uid, back.revision, reason(back, "Published")) == ("2", 1, "Published")
    assert await cluster.delete(THEME, "2")
    assert await cluster.resource(f"{CONFIGS}/theme") is None


async def test_an_orphans_layer_is_for_the_next_who_asks(cluster: Cluster) -> None:
    await cluster.put(ACME, tenant())
    await cluster.put(THEME, config("1", OF_ACME))
    await cluster.delete(THEME, "1", orphan=True)
    heir = await cluster.put(RIVAL, config("2", OF_ACME))
    assert reason(heir, "Published") == "Published"
    assert (await cluster.gone(f"{CONFIGS}/theme"))["spec"]["scope"] == OF_ACME
    [row] = await cluster.admin.items("/v1/audit?action=delete")
    assert (row["name"], row["actor"]) == ("theme", "worker")


@pytest.mark.slow
async def test_an_orphans_layer_is_for_who_waits_for_it(cluster: Cluster) -> None:
    await cluster.put(ACME, tenant())
    await cluster.put(THEME, config("1", OF_ACME))
    assert reason(await cluster.put(RIVAL, config("2", OF_ACME)), "Published") == "LayerConflict"
    await cluster.delete(THEME, "1", orphan=True)
    await cluster.gone(f"{CONFIGS}/theme")
    assert reason(await cluster.put(RIVAL, config("2", OF_ACME)), "Published") == "Published"


async def test_an_orphans_layer_is_not_for_the_api_to_take(cluster: Cluster) -> None:
    await cluster.put(WEB, config("1"))
    await cluster.delete(WEB, "1", orphan=True)
    path = "/apis/tenantry.dev/v1alpha1/namespaces/tenantry-system/configs"
    document = {"apiVersion": "tenantry.dev/v1alpha1", "kind": "Config", "metadata": {"name": "ours"}}
    made = await cluster.admin.post(path, document | {"spec": config("")["spec"]})
    condition = made.body["status"]["conditions"][0]
    assert condition["reason"] == "LayerConflict"
    assert condition["message"].endswith(' belongs to Config tenantry-system/web of cluster "east"')
    back = await cluster.put(WEB, config("2"))
    assert reason(back, "Published") == "Published"


async def test_a_rival_is_named_as_who_manages_it_calls_it(cluster: Cluster) -> None:
    await cluster.put(ACME, tenant())
    await cluster.put(THEME, config("1", OF_ACME))
    rival = await cluster.put(RIVAL, config("2", OF_ACME))
    assert message(rival, "Published").endswith(" belongs to Config acme-prod/theme")
    await cluster.admin.create("configs", "web", config("")["spec"], namespace="tenantry-system")
    late = await cluster.put(WEB, config("3"))
    assert message(late, "Published").endswith(" belongs to Config tenantry-system/web of the API")


@pytest.mark.slow
@pytest.mark.parametrize("is_first", [True, False], ids=["before the tenant", "after the tenant"])
async def test_orphans_go_with_their_tenant(cluster: Cluster, *, is_first: bool) -> None:
    await cluster.put(ACME, tenant())
    await cluster.put(THEME, config("1", OF_ACME))
    await cluster.put(WEB, config("2"))
    await cluster.delete(WEB, "2", orphan=True)
    if is_first:
        await cluster.delete(THEME, "1", orphan=True)
        await cluster.rested()
        await cluster.delete(ACME, "1")
    else:
        await cluster.delete(ACME, "1")
        await cluster.delete(THEME, "1", orphan=True)
    await cluster.gone(f"{CONFIGS}/theme")
    assert await cluster.resource("namespaces/east.tenantry-system/configs/web")
    await cluster.put(ACME, tenant("9"))
    assert reason(await cluster.put(RIVAL, config("3", OF_ACME)), "Published") == "Published"


async def test_a_layer_whose_object_lives_outlives_its_tenant(cluster: Cluster) -> None:
    await cluster.put(ACME, tenant())
    await cluster.put(THEME, config("1", OF_ACME))
    await cluster.put(RIVAL, config("2", OF_ACME | {}, configSet="other"))
    await cluster.delete(RIVAL, "2", orphan=True)
    await cluster.delete(ACME, "1")
    await cluster.gone("namespaces/east.acme-dev/configs/rival")
    assert await cluster.resource(f"{CONFIGS}/theme")


async def test_what_becomes_free_is_for_the_clusters_object_that_waits(cluster: Cluster) -> None:
    host, beta = ["www.example.com"], Address(TENANT, "", "beta")
    await cluster.put(ACME, tenant("1", hostnames=host))
    assert reason(await cluster.put(beta, tenant("2", hostnames=host)), "HostnamesClaimed") == "Conflict"
    await cluster.put(ACME, tenant("1", 2))

    async def claimed() -> str:
        return reason(await cluster.put(beta, tenant("2", hostnames=host)), "HostnamesClaimed")

    async with asyncio.timeout(20):
        while await claimed() != "Claimed":  # noqa: ASYNC110 - an operator has no event either
            await asyncio.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("namespace", "owner", "spec", "path"),
    [
        ("tenantry-system", "", {"scope": {"global": {}}}, ""),
        ("tenantry-system", "", {"scope": {"plan": {"ref": "pro"}}}, ""),
        ("tenantry-system", "", {"scope": OF_ACME}, ""),
        ("acme-prod", "acme", {"scope": OF_ACME}, ""),
        ("acme-prod", "acme", {"scope": {"tenant": {"ref": "beta"}}}, "spec.scope"),
        ("acme-prod", "acme", {"scope": {"plan": {"ref": "pro"}}}, "spec.scope"),
        ("acme-prod", "acme", {"scope": {"global": {}}}, "spec.scope"),
        ("acme-prod", "beta", {"scope": OF_ACME}, "spec.scope"),
        ("acme-prod", "", {"scope": OF_ACME}, "metadata.namespace"),
        ("default", "", {"scope": {"global": {}}}, "metadata.namespace"),
        ("default", "", {"scope": {"plan": {"ref": "pro"}}}, "metadata.namespace"),
    ],
)
async def test_a_config_lives_with_the_platform_or_with_its_tenant(
    cluster: Cluster, namespace: str, owner: str, spec: Document, path: str
) -> None:
    at = Address(CONFIG, namespace, "theme")
    if not path:
        assert (await cluster.put(at, config("1", **spec), tenant=owner)).changed
        return
    with pytest.raises(TenantryError) as caught:
        await cluster.put(at, config("1", **spec), tenant=owner)
    assert (caught.value.code, caught.value.fields[0].path) == (Code.INVALID, path)
    assert await cluster.resource(f"namespaces/east.{namespace}/configs/theme") is None


async def test_a_config_may_no_longer_live_in_a_namespace_that_changed_hands(cluster: Cluster) -> None:
    await cluster.put(THEME, config("1", OF_ACME))
    with pytest.raises(TenantryError) as caught:
        await cluster.put(THEME, config("1", OF_ACME), tenant="beta")
    assert caught.value.code is Code.INVALID
    assert await cluster.resource(f"{CONFIGS}/theme"), "what was published stays"
