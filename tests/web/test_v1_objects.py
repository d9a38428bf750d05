"""Plans, Tenants and Configs below /v1: ETags, cursors, and who sees what."""

import pytest

from tests.support.application import Application

CONFIG = {"configSet": "web", "scope": {"global": {}}, "values": {"a": 1}}


async def test_an_object_has_an_etag_that_moves_with_it(v1: Application) -> None:
    await v1.tenant("acme")
    first = await v1.get("/v1/tenants/acme")
    assert (first.status, first.etag) == (200, f'"{first.body["metadata"]["resourceVersion"]}"')
    assert first.headers["Cache-Control"] == "private, no-cache"
    for tags in (first.etag, f'"x", {first.etag}', f"W/{first.etag}", "*"):
        seen = await v1.get("/v1/tenants/acme", if_none_match=tags)
        assert (seen.status, seen.etag, seen.body) == (304, first.etag, b"")
    await v1.patch("tenants/acme", {"spec": {"displayName": "Two"}})
    second = await v1.get("/v1/tenants/acme", if_none_match=first.etag)
    assert second.status == 200
    assert second.body["spec"]["displayName"] == "Two"
    assert second.etag != first.etag


async def test_it_is_the_object_that_kubectl_sees(v1: Application) -> None:
    await v1.create("configs", "web", CONFIG, namespace="tenantry-system", labels={"tier": "gold"})
    theirs = await v1.get("/apis/tenantry.dev/v1alpha1/namespaces/tenantry-system/configs/web")
    assert (await v1.get("/v1/namespaces/tenantry-system/configs/web")).body == theirs.body
    for path in ("/v1/configs", "/v1/namespaces/tenantry-system/configs", "/v1/configs?labelSelector=tier%3Dgold"):
        assert await v1.items(path) == [theirs.body]
    for path in ("/v1/namespaces/other/configs", "/v1/configs?labelSelector=tier!%3Dgold", "/v1/plans"):
        assert await v1.items(path) == []


async def test_a_list_has_an_etag_too(v1: Application) -> None:
    await v1.tenant("acme")
    first = await v1.get("/v1/tenants")
    assert (await v1.get("/v1/tenants", if_none_match=first.etag)).status == 304
    await v1.tenant("beta")
    assert (await v1.get("/v1/tenants", if_none_match=first.etag)).status == 200


async def test_writes_between_pages_neither_repeat_nor_lose_what_stays(stored_v1: Application) -> None:
    for name in ("b", "d", "f", "h", "j", "l"):
        await stored_v1.tenant(name)
    seen, between = [], 0
    async for page in stored_v1.pages("/v1/tenants?limit=2"):
        seen += [item["metadata"]["name"] for item in page]
        if between < 2:
            await stored_v1.tenant(("a", "c")[between])  # before the place of the cursor
            await stored_v1.tenant(("k", "m")[between])  # after it
            await stored_v1.delete(f"tenants/{('d', 'h')[between]}")  # the last one seen
            await stored_v1.patch("tenants/b", {"spec": {"displayName": f"{between}"}})
        between += 1
    assert seen == ["b", "d", "f", "h", "j", "k", "l", "m"]


async def test_a_cursor_is_good_for_its_list_only(v1: Application) -> None:
    for name in ("a", "b", "c"):
        await v1.tenant(name)
    cursor = (await v1.get("/v1/tenants?limit=1")).body["next"]
    second = await v1.get(f"/v1/tenants?limit=2&cursor={cursor}")
    assert [item["metadata"]["name"] for item in second.body["items"]] == ["b", "c"]
    for path in (
        f"/v1/plans?cursor={cursor}",
        f"/v1/tenants?labelSelector=a&cursor={cursor}",
        f"/v1/tenants?cursor={cursor[:-2]}",
        f"/v1/tenants?cursor=A{cursor}",
        "/v1/tenants?cursor=%C3%A9",
    ):
        refused = await v1.get(path)
        assert (refused.status, refused.code) == (400, "bad_request")
        assert [error["path"] for error in refused.body["errors"]] == ["cursor"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "path"),
    [
        pytest.param(f"labelSelector={'%20' * 10_000}", "labelSelector", id="a long line"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=x", "limit"),
        ("limit=1&limit=2", "limit"),
        ("offset=1", "offset"),
        ("label_selector=a", "label_selector"),
    ],
)
async def test_a_wrong_parameter_is_named(v1: Application, query: str, path: str) -> None:
    refused = await v1.get(f"/v1/tenants?{query}")
    assert (refused.status, refused.code) == (400, "bad_request")
    assert [error["path"] for error in refused.body["errors"]] == [path]


async def test_a_tenants_own_key_sees_its_tenant_and_nothing_else(v1: Application) -> None:
    await v1.create("plans", "pro", {"displayName": "Pro"})
    await v1.create("configs", "web", CONFIG, namespace="tenantry-system")
    own, other = [(await v1.tenant(name))["status"]["tenantID"] for name in ("acme", "beta")]
    assert own != other
    async with v1.as_key("platform:admin", tenant_id=own) as acme:
        assert [item["metadata"]["name"] for item in await acme.items("/v1/tenants")] == ["acme"]
        assert (await acme.get("/v1/tenants/acme")).status == 200
        assert await acme.items("/v1/plans") == []
        assert await acme.items("/v1/configs") == []
        for path in ("tenants/beta", "plans/pro", "namespaces/tenantry-system/configs/web"):
            unseen, absent = await acme.get(f"/v1/{path}"), await acme.get(f"/v1/{path}x")
            assert (unseen.status, unseen.code) == (404, "not_found")
            assert unseen.body["detail"].replace(path.rpartition("/")[2], "") == (
                absent.body["detail"].replace(path.rpartition("/")[2] + "x", "")
            )
