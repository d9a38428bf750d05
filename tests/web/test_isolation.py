"""A tenant's own key sees that tenant, and never another one that has come to its name."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from tests.support.application import KUBERNETES, Application
from tests.support.people import seen

SECONDS = 20
TENANTS = f"{KUBERNETES}/tenants"
REVIEWS = "/apis/authorization.k8s.io/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Succession:
    """A tenant that was deleted and its name released, and the tenant of somebody else that has the name now."""

    platform: Application
    leaver: Application  # the bearer of the key that the first one had, which went with it
    old: Application  # of one with its identity, as a database has it that was restored
    new: Application  # the bearer of a key of the second one
    old_id: str
    new_id: str
    begin: str  # resourceVersion before there was any
    watch: aiohttp.ClientResponse  # of the first key, open since before the deletion


@pytest.fixture
async def acme(stored_v1: Application) -> AsyncIterator[Succession]:
    platform = stored_v1
    before = await platform.create("plans", "other", {"displayName": "Other"})
    first = await platform.tenant("acme", "First")
    old_id = first["status"]["tenantID"]
    async with platform.as_key("platform:admin", tenant_id=old_id) as leaver:
        watch = await watching(leaver, resourceVersion=first["metadata"]["resourceVersion"])
        await platform.patch("tenants/acme", {"spec": {"displayName": "Still the first"}})
        await platform.delete("tenants/acme")
        assert (await platform.call("DELETE", "/v1/tombstones/acme")).status == 200
        second = await platform.tenant("acme", "Second")
        await platform.patch("tenants/acme", {"spec": {"displayName": "Still the second"}})
        new_id = second["status"]["tenantID"]
        assert new_id != old_id
        async with (
            platform.as_key("platform:admin", tenant_id=old_id) as old,
            platform.as_key("platform:admin", tenant_id=new_id) as new,
        ):
            yield Succession(
                platform=platform,
                leaver=leaver,
                old=old,
                new=new,
                old_id=old_id,
                new_id=new_id,
                begin=before["metadata"]["resourceVersion"],
                watch=watch,
            )
        watch.close()


async def watching(api: Application, **parameters: str) -> aiohttp.ClientResponse:
    answer = await api.session.get(TENANTS, params={"watch": "true", **parameters})
    assert answer.status == 200
    return answer


async def events(watch: aiohttp.ClientResponse) -> list[tuple[str, str]]:
    """All until its end: what happened, and the identity of the tenant that it happened to."""
    async with asyncio.timeout(SECONDS):
        lines = [json.loads(line) for line in (await watch.read()).splitlines()]
    return [(line["type"], line["object"].get("status", {})["tenantID"]) for line in lines if line["type"] != "ERROR"]


async def end_watches(platform: Application, holder: Application) -> None:
    """Once they were sent all that was written, by taking the key back."""
    last = (await platform.get(TENANTS)).body["metadata"]["resourceVersion"]
    assert await platform.server.services.feed.wait_for(int(last), SECONDS)
    key = (await holder.get("/v1/me")).body["name"].removeprefix("key:")
    assert (await platform.post(f"/v1/keys/{key}:revoke")).status == 200


async def review(holder: Application, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    answer = await holder.post(f"{REVIEWS}/{kind.lower()}s", {"spec": spec})
    assert answer.status == 201, answer.body
    return dict(answer.body["status"])


async def may(holder: Application, verb: str, resource: str, name: str = "") -> bool:
    attributes = {"group": "tenantry.dev", "verb": verb, "resource": resource, "name": name}
    return bool((await review(holder, "SelfSubjectAccessReview", {"resourceAttributes": attributes}))["allowed"])


async def test_an_open_watch_sees_its_tenant_go_and_no_other_come(acme: Succession) -> None:
    # it ends with the key, which goes when the name is released
    assert await events(acme.watch) == [("MODIFIED", acme.old_id), ("DELETED", acme.old_id)]


async def test_a_key_goes_with_its_tenant(acme: Succession) -> None:
    await seen(acme.platform.server)
    assert (await acme.leaver.get("/v1/me")).status == 401
    assert (await acme.old.get("/v1/me")).status == 200


async def test_an_open_watch_sees_its_tenant_come_back(stored_v1: Application) -> None:
    own = (await stored_v1.tenant("acme"))["status"]["tenantID"]
    await stored_v1.delete("tenants/acme")
    async with stored_v1.as_key("platform:read", tenant_id=own) as holder:
        watch = await watching(holder)
        assert (await stored_v1.post("/v1/tombstones/acme:undelete")).status == 200
        await end_watches(stored_v1, holder)
        assert await events(watch) == [("ADDED", own)]


async def test_a_new_watch_replays_its_tenant_and_no_other(acme: Succession) -> None:
    for holder, tenant, kinds in (
        (acme.old, acme.old_id, ("ADDED", "MODIFIED", "DELETED")),
        (acme.new, acme.new_id, ("ADDED", "MODIFIED")),
    ):
        replayed = await watching(holder, resourceVersion=acme.begin, timeoutSeconds="1")
        assert await events(replayed) == [(kind, tenant) for kind in kinds]
    assert await events(await watching(acme.old, timeoutSeconds="1")) == []
    assert await events(await watching(acme.new, timeoutSeconds="1")) == [("ADDED", acme.new_id)]


async def test_get_and_list_show_the_tenant_of_that_identity(acme: Succession) -> None:
    for root in (KUBERNETES, "/v1"):
        assert await acme.old.items(f"{root}/tenants") == []
        assert (await acme.old.get(f"{root}/tenants/acme")).status == 404
        (shown,) = await acme.new.items(f"{root}/tenants")
        assert shown["status"]["tenantID"] == acme.new_id
        assert (await acme.new.get(f"{root}/tenants/acme")).body["spec"]["displayName"] == "Still the second"


async def test_history_explanation_and_tombstone_are_of_that_identity(acme: Succession) -> None:
    own = "/v1/tenants/acme"
    for path in (f"{own}/revisions", f"{own}/revisions/1", f"{own}/diff?from=1", f"{own}/explain"):
        assert (await acme.old.get(path)).code == "not_found", path
        assert (await acme.new.get(path)).status == 200, path
    assert [revision["revision"] for revision in await acme.new.items(f"{own}/revisions")] == [2, 1]
    assert (await acme.new.get(f"{own}/revisions/1")).body["spec"]["displayName"] == "Second"
    await acme.platform.delete("tenants/acme")
    for holder in (acme.old, acme.new):
        assert (await holder.get("/v1/tombstones/acme")).code == "not_found"


async def test_the_audit_log_is_of_that_identity(acme: Succession) -> None:
    for holder, tenant, actions in (
        (acme.old, acme.old_id, ["release", "delete", "patch", "create"]),
        (acme.new, acme.new_id, ["patch", "create"]),
    ):
        for query in ("", "?name=acme", "?kind=Tenant"):
            rows = await holder.items(f"/v1/audit{query}")
            assert {row["tenantID"] for row in rows} == {tenant}
            assert [row["action"] for row in rows] == actions
    assert await acme.old.items(f"/v1/audit?tenantID={acme.new_id}") == []


async def test_keys_are_of_that_identity(acme: Succession) -> None:
    new_key = {"name": "ci", "scopes": ["platform:read"]}
    made = (await acme.platform.post("/v1/keys", {**new_key, "tenant": "acme"})).body["key"]
    assert made["tenantID"] == acme.new_id
    assert {key["tenantID"] for key in await acme.old.items("/v1/keys")} == {acme.old_id}
    assert (await acme.old.get("/v1/keys?tenant=acme")).code == "not_found"
    assert (await acme.old.get(f"/v1/keys/{made['id']}")).code == "not_found"
    # its tenant is gone, and nobody writes in one that is
    assert (await acme.old.post(f"/v1/keys/{made['id']}:revoke")).code == "forbidden"
    assert (await acme.old.post("/v1/keys", {**new_key, "tenant": "acme"})).code == "forbidden"


async def test_a_review_allows_the_tenant_of_that_identity(acme: Succession) -> None:
    assert await may(acme.new, "get", "tenants", "acme")
    assert not await may(acme.old, "get", "tenants", "acme")
    for holder in (acme.old, acme.new):
        assert await may(holder, "list", "tenants")
        for verb, resource, name in (
            ("get", "tenants", "beta"),
            ("list", "plans", ""),
            ("get", "configs", "web"),
            ("get", "*", ""),
            ("patch", "tenants", "acme"),
        ):
            assert not await may(holder, verb, resource, name), resource
    (rule,) = [
        each
        for each in (await review(acme.new, "SelfSubjectRulesReview", {"namespace": "default"}))["resourceRules"]
        if each["apiGroups"] == ["tenantry.dev"]
    ]
    assert (rule["resources"], rule["resourceNames"]) == (["tenants"], ["acme"])
    assert "tenants" not in str(await review(acme.old, "SelfSubjectRulesReview", {"namespace": "default"}))
    assert await may(acme.platform, "get", "tenants", "acme")
