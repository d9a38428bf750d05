"""What is large is read, checked and encoded on a thread, and the server answers others in the meantime."""

from __future__ import annotations

import asyncio
import io
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from tenantry.model import audit, canonical, manifest, patches, yamldoc
from tenantry.model.identity import Actor
from tenantry.model.managedfields import ownership
from tenantry.services import offload
from tenantry.services.resources import candidate, difference, history, records, transactions
from tenantry.web import bodies, errors
from tenantry.web.kubernetes import reviews
from tenantry.web.v1 import conventions
from tenantry.web.v1 import history as web_history
from tenantry.web.v1 import records as web_records
from tests.support.application import KUBERNETES, Application
from tests.support.issuer import Issuer
from tests.support.server import running_server

CONFIGS = f"{KUBERNETES}/namespaces/default/configs"
WEB, SHOWN = f"{CONFIGS}/web", "/v1/namespaces/default/configs/web"
JSON, YAML = "application/json", "application/yaml"
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
#: what takes the longer the larger a document is
FUNCTIONS: list[tuple[Any, str]] = [
    (bodies, "parse_json"),
    (yamldoc, "load"),
    (manifest, "parse"),
    (manifest, "parse_status"),
    (canonical, "dumps"),
    (patches, "merge_patch"),
    (patches, "json_patch"),
    (ownership, "apply"),
    (ownership, "update"),
    (difference, "describe"),
    (candidate, "fit"),
    (history, "diff"),
    (records, "_misplaced"),
    (conventions, "_checked"),
    (errors, "render"),
    (reviews, "_decode"),
    (web_history, "_told"),
    (web_history, "_shown"),
    (web_records, "_checked"),
]
Threads = dict[str, set[str]]
Ask = Callable[[Application, int], Awaitable[None]]


def config(size: int, name: str = "web") -> dict[str, Any]:
    head = {"apiVersion": "tenantry.dev/v1alpha1", "kind": "Config", "metadata": {"name": name}}
    return head | {"spec": {"configSet": "web", "scope": {"global": {}}, "values": values(size)}}


def values(size: int) -> dict[str, Any]:
    return {f"value-{number}": "on" * 20 for number in range(size)}


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Threads:
    """The threads of the loop and beside it in which each of the functions was called."""
    called: Threads = defaultdict(set)

    def observe(module: Any, name: str) -> None:
        function = getattr(module, name)

        def observed(*args: Any, **options: Any) -> Any:
            thread = threading.current_thread().name
            if thread in {"MainThread", "offload_0"}:  # in others there is the database
                called[f"{module.__name__.removeprefix('tenantry.')}.{name}"].add(thread)
            return function(*args, **options)

        monkeypatch.setattr(module, name, observed)

    for module, name in FUNCTIONS:
        observe(module, name)
    return called


EAST = Issuer()
OPERATOR = Actor(name="operator", cluster="east", namespace="tenantry-system")


def _varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


async def send(api: Application, method: str, path: str, body: Any, kind: str = JSON, status: int = 200) -> None:  # noqa: PLR0913, PLR0917
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    async with api.session.request(method, path, data=io.BytesIO(data), headers={"Content-Type": kind}) as answer:
        assert answer.status == status, await answer.text()


async def create(api: Application, size: int) -> None:
    await send(api, "POST", CONFIGS, config(size, "other"), status=201)


async def create_of_yaml(api: Application, size: int) -> None:
    await send(api, "POST", CONFIGS, yamldoc.dump(config(size, "other")).encode(), YAML, status=201)


async def replace(api: Application, _: int) -> None:
    """A small document in the place of what may be a large one."""
    document = config(1)
    document["metadata"]["resourceVersion"] = (await api.get(WEB)).body["metadata"]["resourceVersion"]
    await send(api, "PUT", WEB, document)


async def merge(api: Application, _: int) -> None:
    await send(api, "PATCH", WEB, {"spec": {"values": {"more": 1}}}, MERGE)


async def patch(api: Application, _: int) -> None:
    await send(api, "PATCH", WEB, [{"op": "add", "path": "/spec/values/more", "value": 1}], JSON_PATCH)


async def apply(api: Application, size: int) -> None:
    await send(api, "PATCH", f"{WEB}?fieldManager=m", orjson.dumps(config(size)), APPLY)


async def apply_yaml(api: Application, size: int) -> None:
    await send(api, "PATCH", f"{WEB}?fieldManager=m", yamldoc.dump(config(size)).encode(), APPLY)


async def replace_status(api: Application, _: int) -> None:
    document = (await api.get(WEB)).body | {"status": {"observedGeneration": 7}}
    await send(api, "PUT", f"{WEB}/status", document)


async def fail(api: Application, size: int) -> None:
    document = config(1)
    document["spec"]["flags"] = {f"flag-{number}": {"type": "none"} for number in range(size)}
    await send(api, "POST", CONFIGS, document, status=422)


async def delete(api: Application, size: int) -> None:
    await send(api, "DELETE", WEB, {"kind": "DeleteOptions", "padding": list(range(size * 10))})


async def make_key(api: Application, size: int) -> None:
    await send(api, "POST", "/v1/keys", {"name": "k", **values(size)}, status=422)


async def review(api: Application, size: int) -> None:
    field = b"\x12\x03\x0a\x01x" * size * 5  # a spec of so many parts
    body = b"k8s\x00\x12" + _varint(len(field)) + field
    path, kind = "/apis/authentication.k8s.io/v1/selfsubjectreviews", "application/vnd.kubernetes.protobuf"
    await send(api, "POST", path, body, kind, status=201)


async def diff(api: Application, _: int) -> None:
    await send(api, "PATCH", WEB, {"spec": {"values": None, "state": "Suspended"}}, MERGE)
    assert len((await api.get(f"{SHOWN}/diff?from=1&to=2")).body["changes"]) >= 2


async def show(api: Application, size: int) -> None:
    assert len((await api.get(f"{SHOWN}/revisions/1")).body["spec"]["values"]) == size


async def rollback(api: Application, _: int) -> None:
    await send(api, "PATCH", WEB, {"spec": {"values": None}}, MERGE)
    await send(api, "POST", f"{SHOWN}/revisions/1:rollback", {})


async def report(api: Application, size: int) -> None:
    token, instance = EAST.token(), await api.server.services.records.instance(OPERATOR, "east")
    api.session.headers["Authorization"] = f"Bearer {token}"
    sent = {"instance": instance, "uid": "1", "generation": 1}
    path = "/v1/clusters/east/namespaces/tenantry-system/configs/web"
    await send(api, "PUT", path, sent | {"spec": config(size)["spec"]})
    status = {"observedGeneration": 1, "conditions": [], **values(size)}
    await send(api, "PUT", f"{path}/status", sent | {"status": status})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ask", "called"),
    [
        (create, "web.bodies.parse_json model.manifest.parse model.canonical.dumps"),
        (create_of_yaml, "model.yamldoc.load model.manifest.parse model.canonical.dumps"),
        (replace, "model.manifest.parse model.managedfields.ownership.update services.resources.difference.describe"),
        (merge, "model.patches.merge_patch model.canonical.dumps services.resources.candidate.fit"),
        (patch, "model.patches.json_patch model.canonical.dumps services.resources.candidate.fit"),
        (apply, "web.bodies.parse_json model.managedfields.ownership.apply"),
        (apply_yaml, "model.yamldoc.load model.managedfields.ownership.apply"),
        (replace_status, "web.bodies.parse_json model.manifest.parse_status services.resources.candidate.fit"),
        (fail, "web.bodies.parse_json model.manifest.parse web.errors.render"),
        (delete, "web.bodies.parse_json"),
        (make_key, "web.bodies.parse_json web.v1.conventions._checked web.errors.render"),
        (review, "web.kubernetes.reviews._decode"),
        (diff, "services.resources.history.diff web.v1.history._told"),
        (show, "web.v1.history._shown"),
        (rollback, "model.manifest.parse services.resources.difference.describe"),
        (
            report,
            (
                "web.v1.records._checked services.resources.records._misplaced model.manifest.parse "
                "model.manifest.parse_status"
            ),
        ),
    ],
)
@pytest.mark.parametrize(("size", "thread"), [(2, "MainThread"), (490, "offload_0")])
async def test_every_door_hands_on_what_is_large_and_nothing_else(  # noqa: PLR0913, PLR0917 - a table's columns
    tmp_path: Path,
    threads: Threads,
    ask: Ask,
    called: str,
    size: int,
    thread: str,
) -> None:
    async with running_server(tmp_path, clusters=[EAST.cluster()]) as server, server.session() as session:
        api = Application(session, server)
        assert (await api.post(CONFIGS, config(size))).status == 201
        threads.clear()
        await ask(api, size)
        for name in called.split():
            assert thread in threads[name], name
        if thread == "MainThread":
            assert "offload_0" not in set().union(*threads.values())
        else:
            assert {name for name in called.split() if "MainThread" in threads[name]} == set()


async def test_others_are_answered_while_a_large_document_is_read(
    v1: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work, go_on = threading.Event(), threading.Event()
    parse_json = bodies.parse_json

    def waiting(body: bytes) -> Any:
        at_work.set()
        assert go_on.wait(10)
        return parse_json(body)

    monkeypatch.setattr(bodies, "parse_json", waiting)
    creating = asyncio.create_task(v1.post(CONFIGS, config(490)))
    assert await asyncio.to_thread(at_work.wait, 10)
    assert (await v1.get("/v1/me")).status == 200
    go_on.set()
    assert (await creating).status == 201


async def test_what_a_write_does_is_computed_before_its_transaction(
    v1: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed, stored = [], []
    describe, stage = audit.describe, transactions.stage

    def described(*args: Any) -> str:
        computed.append(threading.current_thread().name)
        return describe(*args)

    def noted(*args: Any) -> Any:
        stored.append(len(computed))
        return stage(*args)

    monkeypatch.setattr(difference, "describe", described)
    monkeypatch.setattr(transactions, "stage", noted)
    assert (await v1.post(CONFIGS, config(1))).status == 201
    await v1.patch("namespaces/default/configs/web", {"spec": {"values": {"value-0": "off"}}})
    assert (await v1.post(f"{SHOWN}/revisions/1:rollback")).status == 200
    assert computed == ["MainThread"] * 3
    assert stored == [1, 2, 3]


@pytest.mark.parametrize(
    ("subject", "large"),
    [
        (b"x" * offload.LARGE, False),
        (b"x" * (offload.LARGE + 1), True),
        (["x" * offload.LARGE, None], True),
        ({"a": ["x" * 1000] * 7}, False),
        ({"a": ["x" * 1000] * 9}, True),
        ([0] * 1000, False),
        ([[0] * 1000] * 2, True),
        (None, False),
    ],
)
async def test_it_is_large_from_a_length_on(subject: Any, large: bool) -> None:  # noqa: FBT001 - a table's column
    thread = await offload.offload(subject, lambda: threading.current_thread().name)
    assert thread == ("offload_0" if large else "MainThread")
