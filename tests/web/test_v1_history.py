"""Revisions, what differs between two of them, and the way back."""

import asyncio
from typing import Any

import pytest

from tenantry.model.identity import Actor
from tenantry.model.kinds import PLAN, TENANT, Address
from tenantry.model.permissions import Role
from tenantry.services.resources.records import Source
from tenantry.storage import memberships
from tests.support.application import KUBERNETES, Application
from tests.support.people import add_member, add_session, add_user, browser

APPLY = "application/apply-patch+yaml"
CONFIGS = "namespaces/tenantry-system/configs"
OBJECTS: dict[str, tuple[str, dict[str, Any]]] = {
    "tenants/acme": ("displayName", {"displayName": "1", "planRef": {"name": "pro"}}),
    "plans/pro": ("displayName", {"displayName": "1"}),
    f"{CONFIGS}/web": ("state", {"state": "Active", "configSet": "web", "scope": {"global": {}}}),
}


@pytest.fixture
async def acme(v1: Application) -> Application:
    """The API with a tenant that has had three names."""
    await _make_revisions(v1, 3)
    return v1


async def _make_revisions(api: Application, count: int) -> None:
    await api.tenant("acme", "1")
    for number in range(2, count + 1):
        await api.patch("tenants/acme", {"spec": {"displayName": str(number)}})


async def _name(api: Application) -> str:
    return str((await api.get("/v1/tenants/acme")).body["spec"]["displayName"])


async def _numbers(api: Application) -> list[int]:
    return [item["revision"] for item in await api.items("/v1/tenants/acme/revisions")]


@pytest.mark.parametrize("path", list(OBJECTS))
async def test_every_kind_has_a_history(v1: Application, path: str) -> None:
    field, spec = OBJECTS[path]
    *_, plural, name = path.split("/")
    place = {"namespace": "tenantry-system"} if path.startswith("namespaces") else {}
    await v1.create(plural, name, spec, **place)
    changed = {"displayName": "2", "state": "Suspended"}[field]
    await v1.patch(path, {"spec": {field: changed}})
    assert [item["revision"] for item in await v1.items(f"/v1/{path}/revisions")] == [2, 1]
    difference = (await v1.get(f"/v1/{path}/diff?from=1")).body
    assert difference == {"from": 1, "changes": [{"path": f"spec.{field}", "before": spec[field], "after": changed}]}
    assert (await v1.post(f"/v1/{path}/revisions/1:rollback")).body["spec"][field] == spec[field]
    assert (await v1.get(f"/v1/{path}/diff?from=1&to=3")).body == {"from": 1, "to": 3, "changes": []}


async def test_a_rollback_takes_no_fields_from_their_managers(v1: Application) -> None:
    await v1.create("plans", "pro", {"displayName": "Pro"})
    path = f"{KUBERNETES}/tenants/acme?fieldManager=ci"
    file = {"apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": "acme"}}

    def file_of(name: str) -> dict[str, Any]:
        return file | {"spec": {"displayName": name, "planRef": {"name": "pro"}}}

    for name in ("Good", "Bad"):
        await v1.call("PATCH", path, file_of(name), content_type=APPLY)
    before = (await v1.get(path)).body["metadata"]["managedFields"]
    back = await v1.post("/v1/tenants/acme/revisions/1:rollback")
    assert back.body["spec"]["displayName"] == "Good"
    assert (await v1.get(path)).body["metadata"]["managedFields"] == before
    for name in ("Good", "Better"):
        applied = await v1.call("PATCH", path, file_of(name), content_type=APPLY)
        assert (applied.status, applied.body["spec"]["displayName"]) == (200, name)


async def test_who_may_know_the_author_is_told_their_address(v1: Application) -> None:
    await v1.tenant("acme", "1")
    tenant_id = (await v1.get("/v1/tenants/acme")).body["status"]["tenantID"]
    owner = await add_user(v1.server)
    await add_member(v1.server, tenant_id, owner, Role.OWNER)
    cookie = await add_session(v1.server, owner, tenant_id)
    async with browser(v1.server, cookie) as ada:
        body, one = {"displayName": "2"}, "/v1/tenants/acme/revisions/2"
        assert (await ada.call("PATCH", "/v1/tenants/acme", body)).status == 200
        newest, first = await ada.items("/v1/tenants/acme/revisions")
        assert (newest["author"], newest["authorEmail"]) == (f"user:{owner.id}", owner.email)
        assert "authorEmail" not in first
        assert (await v1.get(one)).body["authorEmail"] == owner.email
        for scopes, knows in ((["platform:read"], False), (["resources:read", "members:read"], True)):
            async with v1.as_key(*scopes) as key:
                assert ("authorEmail" in (await key.get(one)).body) is knows
        async with v1.as_key("resources:read", tenant_id=tenant_id) as key:
            assert "authorEmail" not in (await key.get(one)).body
        gone = await v1.call("DELETE", f"/v1/tenants/acme/members/{owner.id}")
        assert gone.code == "last_owner"
    await v1.server.services.db.run(memberships.delete, tenant_id, owner.id, write=True)
    async with v1.as_key("resources:read", "members:read", tenant_id=tenant_id) as key:
        assert "authorEmail" not in (await key.get(one)).body  # they are somebody else's by now
    assert (await v1.get(one)).body["authorEmail"] == owner.email


async def test_revisions_are_paged_newest_first(acme: Application) -> None:
    pages = [page async for page in acme.pages("/v1/tenants/acme/revisions?limit=2")]
    assert [[item["revision"] for item in page] for page in pages] == [[3, 2], [1]]
    newest = pages[0][0]
    assert newest.keys() == {"revision", "generation", "checksum", "author", "message", "createdAt"}
    assert (newest["generation"], newest["author"], newest["message"]) == (3, "local-admin", "")
    one = (await acme.get("/v1/tenants/acme/revisions/3")).body
    assert one.pop("spec") == (await acme.get("/v1/tenants/acme")).body["spec"]
    assert one == newest


async def test_a_rollback_is_a_new_revision_with_the_old_content(acme: Application) -> None:
    now = await acme.get("/v1/tenants/acme")
    back = await acme.post("/v1/tenants/acme/revisions/1:rollback", {"message": "too soon"}, if_match=now.etag)
    assert (back.status, back.body["spec"]["displayName"]) == (200, "1")
    assert back.body["metadata"]["generation"] == 4
    assert back.body["status"]["observedGeneration"] == 4
    assert (await acme.get("/v1/tenants/acme")).etag == back.etag
    [newest, *rest] = await acme.items("/v1/tenants/acme/revisions")
    assert (newest["revision"], newest["message"], len(rest)) == (4, "too soon", 3)
    assert newest["checksum"] == rest[-1]["checksum"]


async def test_a_rollback_keeps_what_is_no_part_of_the_spec(v1: Application) -> None:
    await v1.tenant("acme")
    await v1.patch("tenants/acme", {"spec": {"displayName": "2"}, "metadata": {"labels": {"ring": "internal"}}})
    back = (await v1.post("/v1/tenants/acme/revisions/1:rollback")).body
    assert (back["spec"]["displayName"], back["metadata"]["labels"]) == ("One", {"ring": "internal"})
    assert (await v1.items("/v1/tenants/acme/revisions"))[0]["message"] == "rollback to revision 1"


async def test_a_rollback_to_what_is_writes_nothing(acme: Application) -> None:
    now = await acme.get("/v1/tenants/acme")
    for _ in range(2):
        done = await acme.post("/v1/tenants/acme/revisions/3:rollback", idempotency_key="k")
        assert (done.status, done.body) == (200, now.body)
    assert await _numbers(acme) == [3, 2, 1]


async def test_only_what_was_seen_is_rolled_back(acme: Application) -> None:
    old = await acme.get("/v1/tenants/acme")
    await acme.patch("tenants/acme", {"spec": {"displayName": "4"}})
    for tags in (old.etag, f"W/{old.etag}", '"x", "y"'):
        refused = await acme.post("/v1/tenants/acme/revisions/1:rollback", if_match=tags)
        assert (refused.status, refused.code) == (412, "precondition_failed")
    assert await _name(acme) == "4"
    assert (await acme.post("/v1/tenants/acme/revisions/1:rollback", if_match="*")).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "tenants/acme/revisions/9",
        "tenants/acme/revisions/0",
        "tenants/acme/revisions/-1",
        "tenants/acme/revisions/latest",
        f"tenants/acme/revisions/{'9' * 40}",
        "tenants/acme/diff?from=1&to=9",
        "tenants/nobody/revisions",
        "tenants/nobody/diff?from=1",
        "configs/acme/revisions",
    ],
)
async def test_what_is_not_there_is_not_found(acme: Application, path: str) -> None:
    missing = await acme.get(f"/v1/{path}")
    assert (missing.status, missing.code) == (404, "not_found")


@pytest.mark.parametrize(
    ("query", "path"),
    [("", "from"), ("?from=0", "from"), ("?from=x", "from"), (f"?from={2**63}", "from"), ("?from=1&to=-1", "to")],
)
async def test_a_comparison_needs_numbers(acme: Application, query: str, path: str) -> None:
    refused = await acme.get(f"/v1/tenants/acme/diff{query}")
    assert (refused.status, refused.code) == (400, "bad_request")
    assert [error["path"] for error in refused.body["errors"]] == [path]


async def test_a_bad_rollback_is_told_and_not_done(acme: Application) -> None:
    path = "/v1/tenants/acme/revisions/1:rollback"
    for body, status, code, fields in (
        ({"message": 1}, 422, "invalid", ["message"]),
        ({"message": "x" * 1001}, 422, "invalid", ["message"]),
        ({"message": "a\nb"}, 422, "invalid", ["message"]),
        ({"reason": "x"}, 422, "invalid", ["reason"]),
        ([], 422, "invalid", [""]),
    ):
        refused = await acme.post(path, body)
        assert (refused.status, refused.code) == (status, code)
        assert [error["path"] for error in refused.body["errors"]] == fields
    assert (await acme.post("/v1/tenants/acme/revisions/9:rollback")).code == "not_found"
    for method in ("GET", "PUT"):
        wrong = await acme.call(method, path)
        assert (wrong.code, wrong.headers["Allow"]) == ("method_not_allowed", "POST")
    async with acme.session.post(path, data="message=x") as answer:
        assert answer.status == 415
    assert await _numbers(acme) == [3, 2, 1]


async def test_who_may_only_read_cannot_roll_back(acme: Application) -> None:
    async with acme.as_key("platform:read") as reader:
        assert (await reader.get("/v1/tenants/acme/diff?from=1")).status == 200
        assert (await reader.post("/v1/tenants/acme/revisions/1:rollback")).code == "forbidden"


async def test_another_tenants_history_is_not_there(acme: Application) -> None:
    beta = await acme.tenant("beta")
    async with acme.as_key("platform:admin", tenant_id=beta["status"]["tenantID"]) as other:
        assert [item["revision"] for item in await other.items("/v1/tenants/beta/revisions")] == [1]
        for path in ("revisions", "revisions/1", "diff?from=1"):
            assert (await other.get(f"/v1/tenants/acme/{path}")).code == "not_found"
        # a plan and a quota are the platform's to give
        for name, code in (("acme", "not_found"), ("beta", "forbidden")):
            assert (await other.post(f"/v1/tenants/{name}/revisions/1:rollback")).code == code


async def test_what_a_cluster_manages_is_rolled_back_there(v1: Application) -> None:
    at, actor = Address(PLAN, "", "pro"), Actor(name="operator", cluster="east")
    records = v1.server.services.records
    for generation in (1, 2):
        instance = await records.instance(actor, "east")
        source = Source(cluster="east", instance=instance, uid="1", generation=generation)
        await records.put(actor, at, source, {"spec": {"displayName": str(generation)}})
    assert len(await v1.items("/v1/plans/pro/revisions")) == 2
    refused = await v1.post("/v1/plans/pro/revisions/1:rollback")
    assert (refused.status, refused.code) == (409, "managed_elsewhere")


async def test_a_tenant_that_comes_back_has_its_history(acme: Application) -> None:
    await acme.delete("tenants/acme")
    await acme.tenant("acme", "4")
    assert await _numbers(acme) == [4, 3, 2, 1]


async def test_a_plan_that_is_made_again_has_the_revisions_of_its_name(v1: Application) -> None:
    for number in ("1", "2"):
        await v1.create("plans", "pro", {"displayName": number})
        assert (await v1.get("/v1/plans/pro/revisions/1")).body["spec"]["displayName"] == "1"
        await v1.delete("plans/pro")


async def test_one_key_is_one_rollback(stored_v1: Application) -> None:
    await _make_revisions(stored_v1, 3)
    path = "/v1/tenants/acme/revisions/1:rollback"
    answers = await asyncio.gather(*(stored_v1.post(path, {"message": "m"}, idempotency_key="k") for _ in range(8)))
    assert [answer.status for answer in answers] == [200] * 8
    assert len({answer.body["metadata"]["resourceVersion"] for answer in answers}) == 1
    assert await _numbers(stored_v1) == [4, 3, 2, 1]
    # it stays answered, whatever happens to the object
    await stored_v1.patch("tenants/acme", {"spec": {"displayName": "5"}})
    again = await stored_v1.post(path, {"message": "m"}, idempotency_key="k")
    assert (again.status, again.body) == (200, answers[0].body)
    assert [answer.etag for answer in (*answers, again)] == [f'"{again.body["metadata"]["resourceVersion"]}"'] * 9
    assert await _name(stored_v1) == "5"
    for other, body in ((path, {"message": "n"}), ("/v1/tenants/acme/revisions/2:rollback", {"message": "m"})):
        refused = await stored_v1.post(other, body, idempotency_key="k")
        assert (refused.status, refused.code) == (422, "idempotency_mismatch")
    async with stored_v1.as_key("platform:admin") as other_caller:  # whose keys are its own
        assert (await other_caller.post(path, {"message": "x"}, idempotency_key="k")).status == 200
    for key in ("", "x" * 256, "a\tb"):
        assert (await stored_v1.post(path, idempotency_key=key)).code == "bad_request"


async def test_a_repeated_request_undoes_nothing_that_came_between(v1: Application) -> None:
    await _make_revisions(v1, 2)
    path = "/v1/tenants/acme/revisions/1:rollback"
    first = await v1.post(path, idempotency_key="k")
    await v1.patch("tenants/acme", {"spec": {"displayName": "4"}})
    assert (await v1.post(path, idempotency_key="k")).body == first.body
    assert await _name(v1) == "4"


async def test_of_rivals_with_one_etag_one_wins(stored_v1: Application) -> None:
    await _make_revisions(stored_v1, 9)
    etag = (await stored_v1.get("/v1/tenants/acme")).etag
    rivals = [stored_v1.post(f"/v1/tenants/acme/revisions/{number}:rollback", if_match=etag) for number in range(1, 9)]
    answers = await asyncio.gather(*rivals)
    assert sorted(answer.status for answer in answers) == [200] + [412] * 7
    [winner] = [answer for answer in answers if answer.status == 200]
    assert (await stored_v1.get("/v1/tenants/acme")).body == winner.body
    assert (await _numbers(stored_v1))[0] == 10


async def test_without_an_etag_every_rival_is_done(stored_v1: Application) -> None:
    await _make_revisions(stored_v1, 5)
    rivals = [stored_v1.post(f"/v1/tenants/acme/revisions/{number}:rollback") for number in range(1, 5)]
    assert [answer.status for answer in await asyncio.gather(*rivals)] == [200] * 4
    assert await _numbers(stored_v1) == list(range(9, 0, -1))
    assert (await stored_v1.server.services.resources.get(Actor(name="x"), Address(TENANT, "", "acme"))).generation == 9


async def test_a_config_keeps_as_many_revisions_as_it_says(stored_v1: Application) -> None:
    path = f"{CONFIGS}/web"
    spec = {"configSet": "web", "scope": {"global": {}}, "values": {"n": 1}, "revisionHistoryLimit": 3}
    await stored_v1.create("configs", "web", spec, namespace="tenantry-system")
    await stored_v1.create("configs", "api", spec | {"configSet": "api"}, namespace="tenantry-system")
    for number in range(2, 6):
        await stored_v1.patch(path, {"spec": {"values": {"n": number}}})
    assert [item["revision"] for item in await stored_v1.items(f"/v1/{path}/revisions")] == [5, 4, 3]
    assert (await stored_v1.get(f"/v1/{path}/revisions/2")).code == "not_found"
    assert (await stored_v1.post(f"/v1/{path}/revisions/2:rollback")).code == "not_found"
    back = await stored_v1.post(f"/v1/{path}/revisions/3:rollback")
    assert back.body["spec"]["values"] == {"n": 3}
    await stored_v1.patch(path, {"spec": {"revisionHistoryLimit": 1}})
    assert [item["revision"] for item in await stored_v1.items(f"/v1/{path}/revisions")] == [7]
    assert [item["revision"] for item in await stored_v1.items(f"/v1/{CONFIGS}/api/revisions")] == [1]
