"""How many values a document may have, at each door that takes one: so many, and not one more."""

import io
from collections.abc import Callable
from typing import Any

import orjson
import pytest
import yaml

from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor
from tenantry.model.jsontree import values_of
from tenantry.model.kinds import CONFIG, Address
from tenantry.model.limits import MAX_STORED_VALUES, MAX_VALUES
from tenantry.services.resources.records import Source
from tests.support.application import KUBERNETES, Answer, Application

CONFIGS = f"{KUBERNETES}/namespaces/default/configs"
WEB = f"{CONFIGS}/web"
JSON, YAML = "application/json", "application/yaml"
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
Make = Callable[[int], Any]


def config(*values: int, **metadata: Any) -> dict[str, Any]:
    head = {"apiVersion": "tenantry.dev/v1alpha1", "kind": "Config", "metadata": {"name": "web", **metadata}}
    spec = {"configSet": "web", "scope": {"global": {}}, "values": {"a": list(values)}}
    return head | {"spec": spec}


def padded(tree: dict[str, Any]) -> Make:
    """`tree` with a field that nobody knows, in which so many values are that it has `count` in all."""
    return lambda count: tree | {"padding": [0] * (count - values_of(tree) - 1)}


def patched(count: int) -> Any:
    operation = {"op": "add", "path": "/padding"}
    return [operation | {"value": [0] * (count - values_of([operation]) - 1)}]


def written(kind: str, tree: Any) -> bytes:
    """`tree` as the media type has it; YAML says everything twice by an alias, which counts."""
    if kind not in {YAML, APPLY}:
        return orjson.dumps(tree)
    halves, odd = divmod(len(tree["padding"]) - 2, 2)
    half = tree["padding"][:halves]
    return yaml.dump(tree | {"padding": [half, half, *[0] * odd]}, Dumper=yaml.CSafeDumper).encode()


async def send(api: Application, method: str, path: str, body: bytes, kind: str = JSON) -> Answer:
    headers = {"Content-Type": kind}
    async with api.session.request(method, path, data=io.BytesIO(body), headers=headers) as answer:
        return Answer(status=answer.status, headers=answer.headers, body=await answer.json())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "path", "kind", "make", "status"),
    [
        ("POST", CONFIGS, JSON, padded(config(name="other")), 201),
        ("POST", CONFIGS, YAML, padded(config(name="other")), 201),
        ("PUT", WEB, JSON, padded(config(resourceVersion="{seq}")), 200),
        ("PUT", WEB, YAML, padded(config(resourceVersion="{seq}")), 200),
        ("PATCH", WEB, MERGE, padded({}), 200),
        ("PATCH", WEB, JSON_PATCH, patched, 200),
        ("PATCH", f"{WEB}?fieldManager=m&force=true", APPLY, padded(config()), 422),  # a field that it does not know
        ("DELETE", WEB, JSON, padded({"kind": "DeleteOptions"}), 200),
        ("POST", REVIEWS, JSON, padded({"spec": {}}), 201),
        ("POST", "/v1/keys", JSON, padded({"name": "k"}), 422),
    ],
)
async def test_a_body_may_have_so_many_values(  # noqa: PLR0913, PLR0917 - a table's columns
    v1: Application, method: str, path: str, kind: str, make: Make, status: int
) -> None:
    made = await v1.post(CONFIGS, config())

    def body(count: int) -> bytes:
        seq = str(made.body["metadata"]["resourceVersion"]).encode()
        return written(kind, make(count)).replace(b"{seq}", seq)

    refused = await send(v1, method, path, body(MAX_VALUES + 1), kind)
    assert refused.status == 413, refused.body
    said = refused.body.get("message") or refused.body["detail"]
    assert f"it has more than {MAX_VALUES} values" in said
    assert "take something out of it, or make two of it" in said
    assert refused.body.get("reason", "RequestEntityTooLarge") == "RequestEntityTooLarge"
    assert refused.body.get("code") in {413, "too_large"}
    taken = await send(v1, method, path, body(MAX_VALUES), kind)
    assert taken.status == status, taken.body


@pytest.mark.slow
async def test_a_patch_cannot_make_more_of_an_object_than_can_be_stored(v1: Application) -> None:
    made = await v1.post(CONFIGS, config())
    room = MAX_STORED_VALUES - values_of(made.body)

    async def fill(count: int, **more: Any) -> Answer:
        change = {"spec": {"values": {"a": [0] * count}}} | more
        return await send(v1, "PATCH", WEB, orjson.dumps(change), MERGE)

    full = await fill(room)
    assert full.status == 200, full.body
    assert values_of(full.body) == MAX_STORED_VALUES
    assert "managedFields" in full.body["metadata"]
    untracked = await fill(room + 1)
    assert "managedFields" not in untracked.body["metadata"]
    room += MAX_STORED_VALUES + 1 - values_of(untracked.body)
    assert values_of((await fill(room)).body) == MAX_STORED_VALUES
    for refused in (
        await fill(room + 1),
        await send(v1, "PATCH", f"{WEB}?fieldManager=m&force=true", orjson.dumps(config(*[0] * room)), APPLY),
    ):
        assert (refused.status, refused.body["reason"]) == (413, "RequestEntityTooLarge")
        assert f"limit is {MAX_STORED_VALUES}: take something out of it" in refused.body["message"]
    stored = (await v1.get(WEB)).body
    again = await send(v1, "PUT", WEB, orjson.dumps(stored))
    assert (again.status, again.body) == (200, stored)


async def test_a_json_patch_copies_so_many_values(v1: Application) -> None:
    await v1.post(CONFIGS, config(*[0] * 32_767))

    async def copy(times: int) -> Answer:
        operation = {"op": "copy", "from": "/spec/values/a", "path": "/padding"}
        return await send(v1, "PATCH", WEB, orjson.dumps([operation] * times), JSON_PATCH)

    assert (await copy(2)).status == 200
    refused = await copy(3)
    assert (refused.status, refused.body["reason"]) == (422, "Invalid")
    assert f"it would copy more than {MAX_VALUES} values in all" in refused.body["message"]


async def test_what_an_operator_reports_has_the_same_limit(v1: Application) -> None:
    records = v1.server.services.records
    operator = Actor(name="operator", cluster="east", namespace="tenantry-system")
    source = Source(cluster="east", instance=await records.instance(operator, "east"), uid="1", generation=1)
    at = Address(CONFIG, "tenantry-system", "web")
    with pytest.raises(TenantryError) as refused:
        await records.put(operator, at, source, config(*[0] * MAX_STORED_VALUES))
    assert refused.value.code is Code.TOO_LARGE
    assert f"limit is {MAX_STORED_VALUES}" in refused.value.message
    assert (await records.put(operator, at, source, config(*[0] * (MAX_STORED_VALUES - 64)))).changed
