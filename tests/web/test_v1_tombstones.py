"""What deleted tenants leave: brought back, or given up."""

import asyncio

import pytest

from tenantry.model import ids
from tenantry.model.identity import Actor
from tenantry.model.kinds import TENANT, Address
from tenantry.services.resources.records import Source
from tenantry.storage import tombstones
from tests.support.application import KUBERNETES, Application
from tests.support.people import seen

PATH = "/v1/tombstones/acme"
APPLY = "application/apply-patch+yaml"
DOCUMENT = {
    "apiVersion": "tenantry.dev/v1alpha1",
    "kind": "Tenant",
    "metadata": {"name": "acme"},
    "spec": {"displayName": "New", "planRef": {"name": "pro"}},
}


async def _bury(api: Application, name: str = "acme") -> str:
    made = await api.tenant(name, "Last", namespaces=[{"name": "prod"}])
    await api.patch(f"tenants/{name}", {"metadata": {"labels": {"ring": "internal"}, "annotations": {"a": "b"}}})
    await api.delete(f"tenants/{name}")
    return str(made["status"]["tenantID"])


async def test_a_deleted_tenant_comes_back_as_it_was(stored_v1: Application) -> None:
    tenant_id = await _bury(stored_v1)
    tombstone = await stored_v1.get(PATH)
    assert (tombstone.body["tenantID"], tombstone.body["managedBy"]) == (tenant_id, "api")
    assert tombstone.body["purgeAt"] > tombstone.body["deletedAt"]
    back = await stored_v1.post(f"{PATH}:undelete", if_match=tombstone.etag)
    assert (back.status, back.body["status"]["tenantID"]) == (200, tenant_id)
    assert back.body["spec"]["displayName"] == "Last"
    assert back.body["metadata"]["labels"] == {"ring": "internal"}
    assert back.body["metadata"]["annotations"] == {"a": "b"}
    assert (await stored_v1.get("/v1/tenants/acme")).body == back.body
    assert (await stored_v1.get(PATH)).code == "not_found"
    assert [row["revision"] for row in await stored_v1.items("/v1/tenants/acme/revisions")] == [2, 1]
    assert [row["action"] for row in await stored_v1.items("/v1/audit?kind=Tenant")] == [
        "undelete",
        "delete",
        "patch",
        "create",
    ]


async def test_who_makes_it_again_is_told_that_it_is_the_old_one(stored_v1: Application) -> None:
    tenant_id = await _bury(stored_v1)
    deleted_at = (await stored_v1.get(PATH)).body["deletedAt"]
    warned = f'299 - "Tenant \\"acme\\" was brought back; it was deleted at {deleted_at}"'
    path = f"{KUBERNETES}/tenants/acme?fieldManager=ci"
    tried = await stored_v1.call("PATCH", f"{path}&dryRun=All", DOCUMENT, content_type=APPLY)
    made = await stored_v1.call("PATCH", path, DOCUMENT, content_type=APPLY)
    assert (made.status, made.body["status"]["tenantID"]) == (201, tenant_id)
    assert (tried.headers["Warning"], made.headers["Warning"]) == (warned, warned)
    newest = (await stored_v1.items("/v1/tenants/acme/revisions"))[0]
    assert (newest["revision"], newest["message"]) == (2, f"brought back; it was deleted at {deleted_at}")
    assert "Warning" not in (await stored_v1.call("PATCH", path, DOCUMENT, content_type=APPLY)).headers


async def test_its_fields_belong_to_whom_they_belonged(v1: Application) -> None:
    await v1.create("plans", "pro", {"displayName": "Pro"})
    apply = f"{KUBERNETES}/tenants/acme?fieldManager=ci"
    made = await v1.call("PATCH", apply, DOCUMENT, content_type=APPLY)
    assert made.status == 201, made.body
    await v1.patch("tenants/acme", {"metadata": {"labels": {"ring": "internal"}}})
    before = (await v1.get(f"{KUBERNETES}/tenants/acme")).body["metadata"]["managedFields"]
    await v1.delete("tenants/acme")
    assert (await v1.post(f"{PATH}:undelete")).status == 200
    assert (await v1.get(f"{KUBERNETES}/tenants/acme")).body["metadata"]["managedFields"] == before
    changed = DOCUMENT | {"spec": {"displayName": "Newer", "planRef": {"name": "pro"}}}
    again = await v1.call("PATCH", apply, changed, content_type=APPLY)
    assert (again.status, again.body["spec"]["displayName"]) == (200, "Newer")


async def test_of_rivals_one_brings_it_back(stored_v1: Application) -> None:
    tenant_id = await _bury(stored_v1)
    rivals = [stored_v1.post(f"{PATH}:undelete", idempotency_key=str(number // 4)) for number in range(8)]
    answers = await asyncio.gather(*rivals)
    assert sorted(answer.status for answer in answers) == [200] * 4 + [404] * 4
    assert {answer.body["status"]["tenantID"] for answer in answers if answer.status == 200} == {tenant_id}
    assert len(await stored_v1.items("/v1/audit?action=undelete")) == 1


async def test_what_is_released_does_not_come_back(stored_v1: Application) -> None:
    tenant_id = await _bury(stored_v1)
    answers = await asyncio.gather(
        stored_v1.call("DELETE", PATH), *(stored_v1.post(f"{PATH}:undelete") for _ in range(4))
    )
    assert {answer.status for answer in answers} == {200, 404}
    living = await stored_v1.get("/v1/tenants/acme")
    if answers[0].status == 404:
        assert living.body["status"]["tenantID"] == tenant_id
    else:
        assert living.status == 404
        assert (await stored_v1.tenant("acme"))["status"]["tenantID"] != tenant_id


async def test_an_undelete_that_reads_too_early_makes_nothing(v1: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    await _bury(v1)
    buried = await v1.server.services.db.run(tombstones.get, "acme")
    assert (await v1.call("DELETE", PATH)).status == 200
    monkeypatch.setattr(tombstones, "get", lambda *_: buried)  # as it was read before somebody released it
    for path, body in (
        (f"{PATH}:undelete", None),
        (f"{KUBERNETES}/tenants", DOCUMENT),
    ):
        assert (await v1.post(path, body)).status == 409
    assert await v1.items("/v1/tenants") == []


async def test_a_name_is_released_for_anybody(v1: Application) -> None:
    tenant_id = await _bury(v1)
    tombstone = await v1.get(PATH)
    assert (await v1.call("DELETE", PATH, if_match='"x"')).code == "precondition_failed"
    assert (await v1.post(f"{PATH}:undelete", if_match='"x"')).code == "precondition_failed"
    released = await v1.call("DELETE", PATH, if_match=tombstone.etag)
    assert (released.status, released.body) == (200, tombstone.body)
    assert (await v1.call("DELETE", PATH)).code == "not_found"
    [row] = await v1.items("/v1/audit?action=release")
    assert (row["name"], row["tenantID"]) == ("acme", tenant_id)
    assert (await v1.tenant("acme"))["status"]["tenantID"] != tenant_id


async def test_what_was_purged_keeps_its_name_until_it_is_released(v1: Application) -> None:
    tenant_id = await _bury(v1)
    await v1.server.services.db.run(tombstones.purge, "acme", write=True)
    purged = (await v1.get(PATH)).body
    assert "purgeAt" not in purged
    refused = await v1.post(f"{PATH}:undelete")
    assert (refused.status, refused.code) == (410, "expired")
    assert (await v1.post(f"{KUBERNETES}/tenants", DOCUMENT)).status == 409
    assert (await v1.call("DELETE", PATH)).status == 200
    assert (await v1.tenant("acme"))["status"]["tenantID"] != tenant_id


async def test_a_clusters_tenant_comes_back_there(v1: Application) -> None:
    at, operator = Address(TENANT, "", "acme"), Actor(name="operator", cluster="east")
    document = {"spec": {"displayName": "A", "planRef": {"name": "pro"}}}
    records = v1.server.services.records
    source = Source(cluster="east", instance=await records.instance(operator, "east"), uid="1", generation=1)
    await records.put(operator, at, source, document)
    await records.delete(operator, at, source)
    assert (await v1.get(PATH)).body["managedBy"] == "east"
    refused = await v1.post(f"{PATH}:undelete")
    assert (refused.status, refused.code) == (409, "managed_elsewhere")


async def test_they_are_paged_by_name(v1: Application) -> None:
    for name in ("c", "a", "b"):
        await _bury(v1, name)
    pages = [[item["name"] for item in page] async for page in v1.pages("/v1/tombstones?limit=2")]
    assert pages == [["a", "b"], ["c"]]


@pytest.mark.parametrize("scope", ["platform:read", "platform:reconcile", "platform:admin"])
async def test_who_may_release_a_name(v1: Application, scope: str) -> None:
    await _bury(v1)
    async with v1.as_key(scope) as caller:
        assert (await caller.get(PATH)).status == 200
        assert (await caller.call("DELETE", PATH)).status == (200 if scope == "platform:admin" else 403)


async def test_nobody_makes_anything_in_a_deleted_tenant(v1: Application) -> None:
    tenant_id = str((await v1.tenant("acme"))["status"]["tenantID"])
    async with v1.as_key("keys:write", "keys:read", "clients:write", tenant_id=tenant_id) as acme:
        body = {"name": "later", "scopes": ["keys:read"]}
        assert (await acme.post("/v1/keys", body)).status == 201
        await v1.delete("tenants/acme")
        await seen(v1.server)
        assert (await acme.post("/v1/keys", body)).status == 403
        assert (await acme.post("/v1/clients", {**body, "grantTypes": ["client_credentials"]})).status == 403
        assert (await v1.post(f"{PATH}:undelete")).status == 200
        await seen(v1.server)
        assert (await acme.post("/v1/keys", body)).status == 201


async def test_the_programs_of_a_released_tenant_are_nobody_any_more(v1: Application) -> None:
    await v1.tenant("acme")
    path = "/v1/tenants/acme/service-accounts"
    account = (await v1.post(path, {"name": "ci", "role": "viewer"})).body["id"]
    key = {"name": "ci", "scopes": ["resources:read"]}
    bearer = f"Bearer {(await v1.post(f'{path}/{account}/keys', key)).body['token']}"
    assert (await v1.get("/v1/me", Authorization=bearer)).status == 200
    await v1.delete("tenants/acme")
    assert (await v1.call("DELETE", PATH)).status == 200
    await seen(v1.server)
    assert (await v1.get("/v1/me", Authorization=bearer)).status == 401


async def test_a_tenants_key_sees_none(v1: Application) -> None:
    tenant_id = await _bury(v1)
    async with v1.as_key("platform:admin", tenant_id=tenant_id) as acme:
        assert await acme.items("/v1/tombstones") == []
        assert (await acme.get(PATH)).code == "not_found"
        assert (await acme.call("DELETE", PATH)).code == "forbidden"
        assert (await acme.post(f"{PATH}:undelete")).code == "forbidden"
    async with v1.as_key("platform:admin", tenant_id=ids.uuid7()) as other:
        assert (await other.get(PATH)).code == "not_found"
