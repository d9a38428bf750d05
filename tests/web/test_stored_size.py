"""What many small requests make of an object: never more than a client can read and send again."""

import io
from typing import Any

import orjson
import pytest

from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor
from tenantry.model.jsontree import depth_of
from tenantry.model.kinds import CONFIG, Address
from tenantry.model.limits import MAX_BYTES, MAX_DEPTH, MAX_STORED_BYTES
from tenantry.services.resources.records import Source
from tests.support.application import KUBERNETES, Answer, Application

CONFIGS = f"{KUBERNETES}/namespaces/default/configs"
WEB = f"{CONFIGS}/web"
MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"
HALF = MAX_BYTES // 2
STATUS = {
    "status": {
        "conditions": [
            {
                "type": f"Type{number}",
                "status": "True",
                "reason": "Tested",
                "message": "x" * 1000,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
            for number in range(16)
        ]
    }
}
LAYER = {"configSet": "web", "scope": {"tenant": {"ref": "acme"}}}


def config(values: Any = None, **metadata: Any) -> dict[str, Any]:
    head = {"apiVersion": "tenantry.dev/v1alpha1", "kind": "Config", "metadata": {"name": "web", **metadata}}
    return head | {"spec": LAYER | ({"values": values} if values else {})}


def labels(first: int, count: int) -> dict[str, str]:
    return {f"label-{number:0>50}": "" for number in range(first, first + count)}


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = {"a": value}
    return value


async def send(api: Application, method: str, path: str, body: Any, kind: str = "application/json") -> Answer:
    data = io.BytesIO(orjson.dumps(body))
    async with api.session.request(method, path, data=data, headers={"Content-Type": kind}) as answer:
        return Answer(status=answer.status, headers=answer.headers, body=await answer.json())


async def check_replaceable(api: Application, path: str = WEB) -> dict[str, Any]:
    """The object can be read and sent again as it is."""
    found = await api.get(path)
    assert found.status == 200
    assert len(orjson.dumps(found.body)) <= MAX_BYTES
    assert depth_of(found.body) <= MAX_DEPTH
    again = await send(api, "PUT", path, found.body)
    assert (again.status, again.body) == (200, found.body)
    return dict(found.body)


def check_too_large(answer: Answer) -> None:
    assert (answer.status, answer.body["reason"]) == (413, "RequestEntityTooLarge")
    assert f"limit is {MAX_STORED_BYTES}" in answer.body["message"]
    assert "take something out of it" in answer.body["message"]


async def test_appliers_stop_where_their_fields_would_be_too_many(stored_v1: Application) -> None:
    assert (await send(stored_v1, "POST", CONFIGS, config({"a": "x" * HALF}))).status == 201
    count = 0
    while True:
        body = config(labels=labels(1500 * count, 1500))
        answer = await send(stored_v1, "PATCH", f"{WEB}?fieldManager=m{count}", body, APPLY)
        if answer.status != 200:
            break
        count += 1
        assert count < 20
    check_too_large(answer)
    stored = await check_replaceable(stored_v1)
    assert sum(entry["operation"] == "Apply" for entry in stored["metadata"]["managedFields"]) == count > 1


@pytest.mark.slow
async def test_an_object_that_is_patched_beyond_the_limit_loses_its_managed_fields_first(v1: Application) -> None:
    await send(v1, "POST", CONFIGS, config({"a": "x" * HALF}))
    tracked, count = True, 0
    while True:
        patch = {"metadata": {"labels": labels(1500 * count, 1500)}}
        answer = await send(v1, "PATCH", f"{WEB}?fieldManager=m{count}", patch, MERGE)
        if answer.status != 200:
            break
        assert tracked or "managedFields" not in answer.body["metadata"]
        tracked = "managedFields" in answer.body["metadata"]
        count += 1
        assert count < 20
    assert not tracked
    check_too_large(answer)
    await check_replaceable(v1)
    check_too_large(await send(v1, "POST", CONFIGS, config({"a": "x" * (MAX_STORED_BYTES - 100)}, name="other")))


async def test_status_counts(v1: Application) -> None:
    await send(v1, "POST", CONFIGS, config({"a": "x" * (MAX_STORED_BYTES - 8192)}))
    check_too_large(await send(v1, "PATCH", f"{WEB}/status", STATUS, MERGE))
    await check_replaceable(v1)
    assert (await send(v1, "PATCH", WEB, {"spec": {"values": {"a": "x"}}}, MERGE)).status == 200
    assert (await send(v1, "PATCH", f"{WEB}/status", STATUS, MERGE)).status == 200


async def test_what_an_operator_reports_counts(v1: Application) -> None:
    records = v1.server.services.records
    operator = Actor(name="operator", cluster="east", namespace="tenantry-system")
    source = Source(cluster="east", instance=await records.instance(operator, "east"), uid="1", generation=1)
    at = Address(CONFIG, "tenantry-system", "web")
    await records.put(operator, at, source, config({"a": "x" * (MAX_STORED_BYTES - 8192)}))
    with pytest.raises(TenantryError) as refused:
        await records.put_status(operator, at, source, STATUS["status"])
    assert refused.value.code is Code.TOO_LARGE


async def test_what_is_at_the_limit_can_still_be_let_go(v1: Application) -> None:
    held = config({"a": "x" * (MAX_STORED_BYTES - 8192)}, finalizers=["example.com/a", "example.com/b"])
    held["metadata"]["annotations"] = {"filler": ""}
    made = await send(v1, "POST", CONFIGS, held)
    room = MAX_STORED_BYTES - len(orjson.dumps(made.body))
    filled = await send(v1, "PATCH", WEB, {"metadata": {"annotations": {"filler": "x" * room}}}, MERGE)
    assert len(orjson.dumps(filled.body)) == MAX_STORED_BYTES
    check_too_large(await send(v1, "PATCH", f"{WEB}?fieldManager=m", config(labels={"a": "b"}), APPLY))
    await v1.call("DELETE", WEB)
    marked = await check_replaceable(v1)
    assert len(orjson.dumps(marked)) > MAX_STORED_BYTES
    released = await send(v1, "PATCH", WEB, {"metadata": {"finalizers": ["example.com/b"]}}, MERGE)
    assert released.status == 200
    assert "managedFields" in released.body["metadata"]
    assert (await send(v1, "PATCH", WEB, {"metadata": {"finalizers": None}}, MERGE)).status == 200
    assert (await v1.get(WEB)).status == 404


async def test_managed_fields_do_not_nest_deeper_than_a_body_may(v1: Application) -> None:
    tracked = MAX_DEPTH - 8  # the managed fields of `spec.values.a` stand so deep
    for depth in (tracked, tracked + 1, MAX_DEPTH - 3):
        body = config({"a": nested(depth)})
        made = await send(v1, "POST", CONFIGS, body)
        assert made.status == 201, made.body
        assert ("managedFields" in made.body["metadata"]) is (depth == tracked)
        await check_replaceable(v1)
        await v1.delete("namespaces/default/configs/web")
        applied = await send(v1, "PATCH", f"{WEB}?fieldManager=m", body, APPLY)
        if depth == tracked:
            assert applied.status == 201
            await v1.delete("namespaces/default/configs/web")
            continue
        assert (applied.status, applied.body["reason"]) == (422, "Invalid")
        (cause,) = applied.body["details"]["causes"]
        assert cause["field"] == "metadata.managedFields"
        assert f"at most {MAX_DEPTH} can be" in cause["message"]
