"""Server-side apply, patches and selectors against a real kube-apiserver: the same requests there and here.

Every step of a sequence starts from what kube-apiserver stored last, so that each difference stands for itself.
Objects, managed fields (times included), errors and "nothing was written" must be the same.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPSConnection
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenantry.model.errors import Code, TenantryError
from tenantry.model.managedfields import ownership
from tenantry.model.managedfields.managers import check, default_name
from tenantry.model.managedfields.schema import compile_schema
from tenantry.model.managedfields.typed import validate
from tenantry.model.patches import json_patch, merge_patch
from tenantry.model.selectors import parse_fields, parse_labels
from tests.cluster.cache import UnavailableError
from tests.cluster.controlplane import ControlPlane
from tests.model.structural import conform, fill_defaults

pytestmark = pytest.mark.cluster

Document = dict[str, Any]

API_VERSION, KIND = "test.tenantry.dev/v1", "Sample"
PATH = "/apis/test.tenantry.dev/v1/namespaces/default/samples"

STRING: Document = {"type": "string"}
STRINGS: Document = {"type": "object", "additionalProperties": STRING}
PAIR: Document = {"type": "object", "properties": {"a": STRING, "b": {"type": "integer"}}}
SCHEMA: Document = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "text": STRING,
                "number": {"type": "integer"},
                "ratio": {"type": "number"},
                "flag": {"type": "boolean"},
                "state": {"type": "string", "default": "Active"},
                "when": {"type": "string", "format": "date-time"},
                "port": {"x-kubernetes-int-or-string": True},
                "maybe": {"type": "string", "nullable": True},
                "labels": STRINGS,
                "atomicMap": {**STRINGS, "x-kubernetes-map-type": "atomic"},
                "pair": {**PAIR, "nullable": True},
                "atomicPair": {**PAIR, "x-kubernetes-map-type": "atomic"},
                "defaulted": {"type": "object", "default": {}, "properties": {"c": {"type": "string", "default": "d"}}},
                "pairs": {"type": "object", "additionalProperties": PAIR},
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": STRING},
                "numbers": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "integer"}},
                "args": {"type": "array", "items": STRING},
                "subjects": {"type": "array", "x-kubernetes-list-type": "atomic", "items": PAIR},
                "items": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {
                            "name": STRING,
                            "value": STRING,
                            "mode": {"type": "string", "default": "rw"},
                            "labels": STRINGS,
                            "ports": {
                                "type": "array",
                                "x-kubernetes-list-type": "map",
                                "x-kubernetes-list-map-keys": ["port", "protocol"],
                                "items": {
                                    "type": "object",
                                    "required": ["port"],
                                    "properties": {
                                        "port": {"type": "integer"},
                                        "protocol": {"type": "string", "default": "TCP"},
                                        "note": STRING,
                                    },
                                },
                            },
                        },
                    },
                },
                "values": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "anything": {"x-kubernetes-preserve-unknown-fields": True},
                "open": {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": True,
                    "properties": {"known": PAIR},
                },
            },
        },
        "status": {
            "type": "object",
            "properties": {
                "phase": STRING,
                "conditions": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["type"],
                    "items": {
                        "type": "object",
                        "required": ["type"],
                        "properties": {"type": STRING, "status": STRING},
                    },
                },
            },
        },
    },
}
CRD: Document = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "samples.test.tenantry.dev"},
    "spec": {
        "group": "test.tenantry.dev",
        "scope": "Namespaced",
        "names": {"plural": "samples", "singular": "sample", "kind": KIND, "listKind": "SampleList"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": SCHEMA},
                "subresources": {"status": {}},
            }
        ],
    },
}
SAMPLE = compile_schema(API_VERSION, KIND, SCHEMA)
USER_AGENT = "tester/1.0 (test)"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"


class Cluster:
    """The reference: a kube-apiserver that serves the sample kind, over one connection."""

    def __init__(self, plane: ControlPlane) -> None:
        self._connection = HTTPSConnection("127.0.0.1", plane.port, timeout=30, context=plane.tls)
        self._headers = {"Authorization": f"Bearer {plane.admin_token}", "User-Agent": USER_AGENT}
        self._names = (f"sample-{number}" for number in itertools.count())

    def close(self) -> None:
        self._connection.close()

    def new_name(self) -> str:
        return next(self._names)

    def send(self, method: str, path: str, body: object = None, content_type: str = "application/json") -> Document:
        """The answer's JSON: the object, or a Status."""
        text = None if body is None else json.dumps(body)
        self._connection.request(method, path, text, {**self._headers, "Content-Type": content_type})
        answer: Document = json.loads(self._connection.getresponse().read())
        return answer


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    try:
        plane = ControlPlane(controller_manager=False)
        plane.start()
    except UnavailableError as reason:
        pytest.skip(str(reason))
    try:
        plane.request("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", CRD)
        plane.kubectl("wait", "--for=condition=Established", "crd/samples.test.tenantry.dev", "--timeout=30s")
        with closing(Cluster(plane)) as client:
            yield client
    finally:
        plane.stop()


@dataclass(frozen=True)
class Step:
    """One request: ``verb`` is create, put, or a patch's content type; ``body`` is sent as it is."""

    verb: str
    body: Any
    manager: str = "m1"
    force: bool = False
    subresource: str = ""

    def send(self, cluster: Cluster, name: str) -> Document:
        path = PATH if self.verb == "create" else f"{PATH}/{name}" + f"/{self.subresource}" * bool(self.subresource)
        query = {"fieldValidation": "Ignore"}
        query |= ({"fieldManager": self.manager} if self.manager else {}) | ({"force": "true"} if self.force else {})
        method, content_type = {
            "create": ("POST", "application/json"),
            "put": ("PUT", "application/json"),
        }.get(self.verb, ("PATCH", self.verb))
        return cluster.send(method, f"{path}?{urlencode(query)}", self.document(name), content_type)

    def document(self, name: str) -> Any:
        if self.verb in (MERGE, JSON_PATCH):
            return self.body
        metadata = {**self.body.get("metadata", {}), "name": name}
        return {"apiVersion": API_VERSION, "kind": KIND, **self.body, "metadata": metadata}

    def play(self, live: Document | None, name: str, now: int) -> Document:
        """The object that the server should have stored, before it fills in its own metadata."""
        write = {"manager": self.manager or default_name(USER_AGENT), "now": now, "subresource": self.subresource}
        body = self.document(name)
        if self.verb == APPLY:
            applied = ownership.apply(SAMPLE, live, body, force=self.force, **write)
            return refuse_misfits(kept_from(live, fill_defaults(SCHEMA, applied), self.subresource))
        if self.verb == MERGE:
            body = merge_patch(live or {}, body)
        elif self.verb == JSON_PATCH:
            body = json_patch(live or {}, body)
        elif live and self.verb == "put":
            body["metadata"] = {**body["metadata"], "resourceVersion": live["metadata"]["resourceVersion"]}
        updated = ownership.update(SAMPLE, live, conform(SCHEMA, body)[0], **write)
        return refuse_misfits(kept_from(live, updated, self.subresource))


def refuse_misfits(document: Document) -> Document:
    """``document``, unless it is not of the schema's shape or has a null that the schema does not allow."""
    if problems := validate(SAMPLE.type, document) + forbidden_nulls(SCHEMA, document):
        raise TenantryError(Code.INVALID, f"not to be stored: {problems}")
    return conform(SCHEMA, document)[0]


def forbidden_nulls(schema: Document, value: Any, path: str = "") -> list[str]:
    if value is None:
        return [path] if "type" in schema and not schema.get("nullable") else []
    if isinstance(value, list):
        return [found for item in value for found in forbidden_nulls(schema.get("items", {}), item, f"{path}[]")]
    if not isinstance(value, dict):
        return []
    additional = schema.get("additionalProperties", {})
    known = schema.get("properties", {})
    return [
        found
        for name, item in value.items()
        for found in forbidden_nulls(known.get(name, additional), item, f"{path}.{name}")
    ]


def kept_from(live: Document | None, new: Document, subresource: str) -> Document:
    """``new`` with what its door cannot change taken from ``live``."""
    if subresource:
        assert live is not None
        managed = new["metadata"].get("managedFields")
        metadata = {key: value for key, value in live["metadata"].items() if key != "managedFields"}
        kept = {**live, "metadata": metadata | ({"managedFields": managed} if managed else {})}
        return {**kept, "status": new["status"]} if "status" in new else without(kept, "status")
    return {**new, "status": live["status"]} if live and "status" in live else without(new, "status")


def without(document: Document, key: str) -> Document:
    return {name: value for name, value in document.items() if name != key}


def newest(document: Document) -> int:
    """The time of the last write in managed fields, in epoch microseconds."""
    entries = document.get("metadata", {}).get("managedFields", [])
    times = [datetime.fromisoformat(entry["time"]).timestamp() for entry in entries if "time" in entry]
    return int(max(times, default=0) * 1_000_000)


SERVER_METADATA = ("uid", "resourceVersion", "creationTimestamp", "generation")


def play_both(cluster: Cluster, steps: list[Step]) -> None:
    """Play ``steps`` on one object in both places."""
    name = cluster.new_name()
    live: Document | None = None
    for number, step in enumerate(steps):
        if live is None and (step.subresource or step.verb not in ("create", APPLY)):
            continue  # the first one was refused
        where = f"step {number}: {step}\nlive: {json.dumps(live)}"
        answer = step.send(cluster, name) if step.verb != "put" else send_put(cluster, step, name, live)
        try:
            ours: Document | None = step.play(live, name, newest(answer))
        except TenantryError as error:
            assert answer["kind"] == "Status", f"{where}\nrefused only here: {error.message}"
            assert_same_refusal(answer, error, where)
            continue
        assert answer["kind"] == KIND, f"{where}\nrefused only there: {answer.get('message')}"
        assert ours is not None
        theirs = copy.deepcopy(answer)
        mine = {
            **ours,
            "metadata": ours["metadata"]
            | {key: answer["metadata"][key] for key in (*SERVER_METADATA, "namespace") if key in answer["metadata"]},
        }
        assert mine == theirs, f"{where}\nhere:  {json.dumps(mine)}\nthere: {json.dumps(theirs)}"
        if live:
            wrote = live["metadata"]["resourceVersion"] != answer["metadata"]["resourceVersion"]
            silent = {**mine, "metadata": mine["metadata"] | {key: live["metadata"][key] for key in SERVER_METADATA}}
            assert ownership.unchanged(live, silent) is not wrote, f"{where}\nwritten there: {wrote}"
        live = answer


def send_put(cluster: Cluster, step: Step, name: str, live: Document | None) -> Document:
    assert live is not None
    version = {"resourceVersion": live["metadata"]["resourceVersion"]}
    body = {**step.body, "metadata": {**step.body.get("metadata", {}), **version}}
    return Step(step.verb, body, step.manager, step.force, step.subresource).send(cluster, name)


STATUS = {Code.BAD_REQUEST: 400, Code.CONFLICT: 409, Code.INVALID: 422, Code.TOO_LARGE: 413}


def assert_same_refusal(answer: Document, error: TenantryError, where: str) -> None:
    if error.message.startswith("failed to create typed patch object"):
        # kube-apiserver calls a configuration that does not fit the schema an internal error; we call it invalid
        assert answer["code"] == 500, where
        assert error.message == answer["message"], where
        return
    assert answer["code"] == STATUS[error.code], f"{where}\nthere: {answer}\nhere: {error.code} {error.message}"
    if error.code is not Code.CONFLICT:
        return
    causes = sorted((cause["field"], cause["message"], cause["reason"]) for cause in answer["details"]["causes"])
    assert sorted((field.path, field.message, field.code.value) for field in error.fields) == causes, where
    assert error.message == answer["message"], where


def spec(**fields: Any) -> Document:
    return {"spec": fields}


SEQUENCES: dict[str, list[Step]] = {
    "a create owns everything": [
        Step(
            "create",
            {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}, "finalizers": ["x.io/y"]}}
            | spec(
                text="a",
                labels={"x": "1"},
                items=[{"name": "a", "ports": [{"port": 1}]}],
                tags=["b", "a"],
                pair={"a": "x"},
                values={"deep": {"er": [1, {"x": 2}], "n": None}, "flag": True},
                atomicMap={"a": "b"},
                args=["1"],
                labels2={},
            ),
        ),
    ],
    "an apply creates": [
        Step(APPLY, spec(text="a", labels={"x": "1"}, items=[{"name": "a", "ports": [{"port": 1}]}], tags=["b", "a"])),
        Step(APPLY, spec(text="a", labels={"x": "1"}, items=[{"name": "a", "ports": [{"port": 1}]}], tags=["b", "a"])),
        Step(APPLY, spec(text="b", labels={"y": "1"}, items=[{"name": "b", "ports": [{"port": 1}]}], tags=["c", "a"])),
        Step(APPLY, spec(text="b"), "m2"),
        Step(APPLY, spec()),
        Step(APPLY, {}, "m2"),
    ],
    "two appliers": [
        Step(APPLY, spec(text="a", pair={"a": "1"}, values={"x": {"y": 1}}), "m1"),
        Step(APPLY, spec(text="b", pair={"a": "2", "b": 3}, values={"x": {"y": True}}), "m2"),
        Step(APPLY, spec(text="b", pair={"a": "2", "b": 3}, values={"x": {"y": True}}), "m2", force=True),
        Step(APPLY, spec(pair={"b": 4}, values={"x": {}}), "m1"),
        Step(APPLY, spec(pair={"b": 4}, values={"x": {}}), "m1", force=True),
        Step(APPLY, spec(text="c"), "m2"),
    ],
}


@pytest.mark.parametrize("steps", SEQUENCES.values(), ids=SEQUENCES)
def test_a_sequence_of_writes_is_the_same_in_both_places(cluster: Cluster, steps: list[Step]) -> None:
    play_both(cluster, steps)


# -- generated sequences: few values, so that managers meet ----------------------------------------------------------


def subset(**choices: st.SearchStrategy[Any]) -> st.SearchStrategy[Document]:
    return st.fixed_dictionaries({}, optional=choices)


def some(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


def unique(items: st.SearchStrategy[Any], key: str = "", least: int = 0) -> st.SearchStrategy[list[Any]]:
    return st.lists(items, min_size=least, max_size=2, unique_by=lambda item: item[key] if key else item)


TEXTS = some("a", "b")
MAPS = subset(x=TEXTS, y=TEXTS, **{"a.b/c": TEXTS})
PAIRS = subset(a=TEXTS, b=some(1, 2))
JSON = st.recursive(
    some(1, 1.5, True, "a", None), lambda inner: st.lists(inner, max_size=2) | subset(x=inner, y=inner), max_leaves=4
)
PORTS = unique(
    st.fixed_dictionaries({"port": some(1, 2)}, optional={"protocol": some("TCP", "UDP"), "note": TEXTS}), "port"
)
ITEMS = unique(
    st.fixed_dictionaries(
        {"name": some("a", "b", "c", 'q"<é')},
        optional={"value": TEXTS, "mode": some("rw", "ro"), "labels": MAPS, "ports": PORTS},
    ),
    "name",
)
DENSE = st.fixed_dictionaries(
    {
        "text": TEXTS,
        "labels": MAPS,
        "pair": PAIRS,
        "atomicPair": PAIRS,
        "tags": unique(some("a", "b", "c")),
        "items": ITEMS,
        "values": subset(x=JSON, y=JSON),
    }
)
SPECS = DENSE | subset(
    text=TEXTS,
    number=some(1, 2),
    ratio=some(1, 1.5),
    flag=st.booleans(),
    state=some("Active", "Paused"),
    when=some("2026-01-01T00:00:00Z"),
    port=some(1, "http"),
    maybe=some("x", None),
    labels=MAPS | st.none(),
    atomicMap=MAPS,
    pair=PAIRS | st.none(),
    atomicPair=PAIRS,
    defaulted=subset(c=TEXTS),
    pairs=subset(p=PAIRS, q=PAIRS),
    tags=unique(some("a", "b", "c")),
    numbers=unique(some(1, 2, 10)),
    args=st.lists(TEXTS, max_size=2),
    subjects=st.lists(PAIRS, max_size=2),
    items=ITEMS,
    values=subset(x=JSON, y=JSON),
    anything=JSON.filter(lambda value: value is not None),
    open=subset(known=PAIRS, x=JSON),
)
REFERENCES = unique(
    st.fixed_dictionaries(
        {"apiVersion": st.just("v1"), "kind": st.just("ConfigMap"), "name": TEXTS, "uid": some("u1", "u2")}
    ),
    "uid",
    least=1,
)
LABELS = st.fixed_dictionaries({"x": TEXTS}, optional={"y": TEXTS, "a.b/c": TEXTS})
# kube-apiserver writes empty metadata on every apply, although it does not keep it
METADATA = subset(
    labels=LABELS,
    annotations=LABELS,
    finalizers=unique(some("x.io/a", "x.io/b"), least=1),
    ownerReferences=REFERENCES,
)
STATUSES = subset(
    phase=TEXTS,
    conditions=unique(st.fixed_dictionaries({"type": some("A", "B")}, optional={"status": TEXTS}), "type"),
)
DOCUMENTS = subset(metadata=METADATA, spec=SPECS, status=STATUSES)
MANAGERS = some("m1", "m2", "kubectl")
POINTERS = some(
    "/spec/text", "/spec/labels", "/spec/labels/x", "/spec/items/0", "/spec/items/-", "/spec/items/0/value",
    "/spec/tags/0", "/spec/tags/-", "/spec/values/x", "/spec/pair/a", "/spec/number", "/spec/args/-1", "/spec/anything",
    "/metadata/labels/a.b~1c",
)  # fmt: skip
OPERATIONS = st.one_of(
    st.fixed_dictionaries({"op": some("add", "replace", "test"), "path": POINTERS, "value": some("a", 1, None)}),
    st.fixed_dictionaries({"op": st.just("remove"), "path": POINTERS}),
    st.fixed_dictionaries({"op": some("move", "copy"), "path": POINTERS, "from": POINTERS}),
)
STEPS = st.one_of(
    st.builds(Step, st.just(APPLY), DOCUMENTS, MANAGERS, st.booleans()),
    st.builds(Step, st.just(APPLY), DOCUMENTS, MANAGERS, st.just(True)),
    st.builds(Step, some(MERGE, "put"), DOCUMENTS, MANAGERS),
    st.builds(Step, st.just(JSON_PATCH), st.lists(OPERATIONS, max_size=2), MANAGERS),
    st.builds(Step, some(MERGE, "put"), DOCUMENTS, MANAGERS, subresource=st.just("status")),
    st.builds(Step, st.just(APPLY), DOCUMENTS, MANAGERS, st.booleans(), subresource=st.just("status")),
)
FIRST = st.builds(Step, some("create", APPLY), DOCUMENTS, MANAGERS)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(first=FIRST, rest=st.lists(STEPS, min_size=2, max_size=6))
def test_any_sequence_of_writes_is_the_same_in_both_places(cluster: Cluster, first: Step, rest: list[Step]) -> None:
    play_both(cluster, [first, *rest])
