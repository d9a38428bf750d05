"""Server-side apply, patches and selectors against a real kube-apiserver: the same requests there and here.

Every step of a sequence starts from what kube-apiserver stored last, so that each difference stands for itself.
Objects, managed fields (times included), errors and "nothing was written" must be the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenantry.model.errors import TenantryError
from tenantry.model.selectors import parse_fields, parse_labels
from tests.cluster.controlplane import ControlPlane
from tests.model.replay import (
    API_VERSION,
    APPLY,
    CREATE,
    JSON_PATCH,
    MERGE,
    PUT,
    SCHEMA,
    Document,
    Replay,
    Step,
    without,
)

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def samples(control_plane: ControlPlane) -> Iterator[Replay]:
    with closing(Replay(control_plane, "Sample")) as replay:
        replay.install(SCHEMA)
        yield replay


def spec(**fields: Any) -> Document:
    return {"spec": fields}


LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
CLIENT_SIDE = json.dumps({"apiVersion": API_VERSION, "kind": "Sample"} | spec(text="a", number=1, labels={"x": "1"}))
FULL = {
    "metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}, "finalizers": ["x.io/y"]},
    **spec(
        text="a",
        labels={"x": "1", "<&>": "é"},
        items=[{"name": "a", "ports": [{"port": 1}, {"port": 1, "protocol": "UDP"}]}, {"name": 'b"<&>\n\u2028é'}],
        tags=["b", "a"],
        numbers=[3, 20, 100],
        pair={"a": "x"},
        values={"deep": {"er": [1, {"x": 2}], "n": None}, "flag": True, "empty": {}, "list": []},
        atomicMap={"a": "b"},
        args=["1"],
        anything=[{"a": 1}],
        open={"known": {"a": "b"}, "x": {"y": 1}},
        maybe=None,
        port="http",
        unknown={"a": 1},
    ),
    "status": {"phase": "ignored"},
    "other": 1,
}


def entry(manager: str, fields: Document, **changes: Any) -> Document:
    return {
        "apiVersion": API_VERSION,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
        "manager": manager,
        "operation": "Update",
        "time": "2026-01-01T02:00:00+02:00",
        **changes,
    }


def managed(*entries: Document) -> Document:
    return {"metadata": {"managedFields": list(entries)}}


SEQUENCES: dict[str, list[Step]] = {
    "a create owns everything": [Step(CREATE, FULL)],
    "a put and patches": [
        Step(CREATE, FULL),
        Step(PUT, spec(text="a", items=[{"name": "b"}, {"name": "a", "ports": [{"port": 1}]}], tags=["a"]), "m2"),
        Step(MERGE, spec(text=None, labels={"x": None, "y": "1"}, values={"a": {"b": None, "c": [None]}}), "m3"),
        Step(MERGE, spec(labels={"y": None}, pair={"b": 2}), "m3"),
        Step(MERGE, {"metadata": {"labels": {"a": None}, "annotations": {"e": "f"}, "finalizers": None}}, "m3"),
        Step(MERGE, spec(pair=None, maybe="x"), "m3"),
        Step(JSON_PATCH, [{"op": "add", "path": "/spec/pair", "value": None}], "m4"),
        Step(JSON_PATCH, [{"op": "remove", "path": "/spec"}], "m4"),
        Step(MERGE, {}, "m5"),
    ],
    "an apply of everything": [Step(APPLY, without(without(FULL, "other"), "spec") | spec(text="a")), Step(APPLY, {})],
    "an apply creates, repeats, changes and ends": [
        Step(APPLY, spec(text="a", labels={"x": "1"}, items=[{"name": "a", "ports": [{"port": 1}]}], tags=["b", "a"])),
        Step(APPLY, spec(text="a", labels={"x": "1"}, items=[{"name": "a", "ports": [{"port": 1}]}], tags=["b", "a"])),
        Step(APPLY, spec(text="b", labels={"y": "1"}, items=[{"name": "b", "ports": [{"port": 1}]}], tags=["c", "a"])),
        Step(APPLY, spec(text="b"), "m2"),
        Step(APPLY, spec()),
        Step(APPLY, {}, "m2"),
    ],
    "two appliers fight": [
        Step(APPLY, spec(text="a", pair={"a": "1"}, values={"x": {"y": 1}}), "m1"),
        Step(APPLY, spec(text="b", pair={"a": "2", "b": 3}, values={"x": {"y": True}}), "m2"),
        Step(APPLY, spec(text="b", pair={"a": "2", "b": 3}, values={"x": {"y": True}}), "m2", force=True),
        Step(APPLY, spec(pair={"b": 4}, values={"x": {}}), "m1"),
        Step(APPLY, spec(pair={"b": 4}, values={"x": {}}), "m1", force=True),
        Step(APPLY, spec(text="c"), "m2"),
    ],
    "conflicts with everybody": [
        Step(CREATE, spec(text="a", number=1, tags=["a"], items=[{"name": "a", "value": "1"}]), 'b"<é'),
        Step(MERGE, spec(labels={"a.b/c": "d"}, values={"x": {"y z": 1}}), ""),
        Step(APPLY, spec(atomicMap={"a": "b"}, numbers=[1], items=[{"name": 'q"', "ports": [{"port": 1}]}]), "m2"),
        Step(MERGE, {"status": {"phase": "a"}}, "m3", subresource="status"),
        Step(
            APPLY,
            spec(
                text="b",
                number=2,
                labels={"a.b/c": "e"},
                values={"x": {"y z": 2}},
                atomicMap={"a": "c"},
                items=[{"name": "a", "value": "2"}, {"name": 'q"', "ports": [{"port": 1, "note": "x"}]}],
            ),
        ),
        Step(APPLY, {"status": {"phase": "b"}}, subresource="status"),
        Step(APPLY, {"status": {"phase": "b"}}, subresource="status", force=True),
        Step(APPLY, {"status": {"phase": "c"}}, "m3", subresource="status"),
    ],
    "defaults come back and belong to nobody": [
        Step(APPLY, spec(state="Paused", items=[{"name": "a", "mode": "ro"}], defaulted={"c": "x"})),
        Step(APPLY, spec(items=[{"name": "a"}])),
        Step(APPLY, spec(state="Active"), "m2"),
        Step(APPLY, spec(), "m2"),
    ],
    "an item goes with what nobody owns in it": [
        Step(APPLY, spec(items=[{"name": "a", "value": "1"}, {"name": "b"}])),
        Step(MERGE, spec(items=[{"name": "a", "value": "1", "labels": {"x": "1"}}, {"name": "b", "mode": "ro"}]), "m2"),
        Step(APPLY, spec(items=[{"name": "c"}])),
    ],
    "an apply orders a list": [
        Step(CREATE, spec(tags=["a", "b", "c", "d", "e"]), "m2"),
        Step(APPLY, spec(tags=["d", "x", "b"])),
        Step(APPLY, spec(tags=["x", "d", "y"])),
        Step(APPLY, spec(tags=["y"])),
    ],
    "kubectl goes over from client-side apply": [
        Step(
            CREATE,
            {"metadata": {"annotations": {LAST_APPLIED: CLIENT_SIDE}}} | spec(text="a", number=1, labels={"x": "1"}),
            "kubectl-client-side-apply",
        ),
        Step(APPLY, spec(text="b", number=1), "kubectl"),
        Step(MERGE, spec(number=3), "m2"),
        Step(APPLY, spec(text="c", number=1, ratio=1.5), "kubectl"),
        Step(
            APPLY,
            {"metadata": {"annotations": {"a": "<b>", LAST_APPLIED: "x"}}} | spec(text="c"),
            "kubectl",
            force=True,
        ),
        Step(APPLY, {"metadata": {"annotations": {LAST_APPLIED: "{"}}} | spec(text="d"), "m3", force=True),
        Step(APPLY, spec(text="e"), "kubectl"),
    ],
    "the annotation does not outgrow its room": [
        Step(CREATE, {"metadata": {"annotations": {LAST_APPLIED: "x"}}}, "m2"),
        Step(APPLY, spec(text="a" * 262_144), "kubectl"),
        Step(APPLY, spec(text="a"), "kubectl"),
    ],
    "null and empty are not the same": [
        Step(CREATE, spec(pair=None, values={"x": None, "y": {}}, tags=[], options=None)),
        Step(MERGE, spec(pair={}, values={"x": {}, "y": []}, options=[]), "m2"),
        Step(PUT, spec(pair=None, values={"x": [], "y": None}, tags=[], options=None), "m3"),
        Step(APPLY, spec(pair={}, values={"x": None, "y": {}}, tags=[]), "m4", force=True),
        Step(APPLY, spec(pair=None, values={"x": {"a": 1}}), "m5", force=True),
        Step(APPLY, spec(pair={"a": "1"}, values={"x": None}), "m4", force=True),
    ],
    "an apply may set what is not kept": [
        Step(APPLY, spec(open={"known": {"a": "1", "later": {"b": 1}}, "more": {"c": 1}})),
        Step(APPLY, spec(open={"known": {"a": "1"}})),
    ],
    "managed fields are edited": [
        Step(APPLY, spec(text="a")),
        Step(
            PUT, managed(entry("m2", {"f:spec": {"f:text": {}, "f:gone": {}}}, subresource="x")) | spec(text="a"), "m3"
        ),
        Step(PUT, managed(entry("m2", {"f:spec": {'k:{"b": 1.0, "a": [1]}': {"x:y": {}}}})) | spec(text="b"), "m3"),
        Step(PUT, managed(entry("m2", {"spec": {}})) | spec(text="c"), "m3"),
        Step(PUT, managed(entry("m2", {"f:spec": {}}, operation="Delete")) | spec(text="d"), "m3"),
        Step(PUT, managed(entry("m2", {"f:spec": {}}, fieldsType="FieldsV2")) | spec(text="e"), "m3"),
        Step(PUT, managed(entry("m2", {"f:spec": {}}, apiVersion="")) | spec(text="f"), "m3"),
        Step(PUT, managed(entry("m2", {}), entry("m4", {"f:spec": {"f:text": {}}})) | spec(text="f"), "m3"),
        Step(PUT, managed(entry("m" * 129, {"f:spec": {"f:x": {}}})) | spec(text="g"), "m3"),
        Step(PUT, managed(entry("m\n2", {"f:spec": {"f:x": {}}})) | spec(text="g"), "m3"),
        Step(PUT, managed(entry("m2", {"f:spec": {"f:x": {}}}, subresource="s" * 257)) | spec(text="g"), "m3"),
        Step(PUT, managed() | spec(text="h"), "m3"),
        Step(PUT, managed(entry("m2", {"f:spec": {}}, apiVersion="test.tenantry.dev/v9")) | spec(text="i"), "m3"),
        Step(PUT, spec(text="j"), "m3"),
        Step(APPLY, spec(text="j", number=1)),
    ],
    "managed fields are cleared": [
        Step(APPLY, spec(text="a")),
        Step(PUT, managed({}) | spec(text="b", number=1), "m2"),
        Step(MERGE, spec(number=2), "m2"),
        Step(APPLY, spec(text="b")),
        Step(APPLY, spec(text="c", number=3), force=True),
        Step(MERGE, {"metadata": {"managedFields": [{}]}}, "m2"),
        Step(MERGE, {"metadata": {"managedFields": None}, **spec(number=4)}, "m2"),
    ],
    "old updates are folded": [
        Step(CREATE, spec(text="a"), "m0"),
        *(Step(MERGE, spec(labels={f"l{number}": "x"}), f"m{number:02}") for number in range(1, 13)),
        *(Step(MERGE, spec(labels={f"k{number}": "x"}), f"k{number:02}") for number in range(1, 6)),
        Step(APPLY, spec(text="b")),
    ],
    "old updates are folded, by their time and then by what identifies them": [
        Step(APPLY, spec(text="a"), "Z"),
        *(Step(MERGE, spec(labels={f"l{number}": "x"}), f"A{number:02}") for number in range(1, 9)),
        *(Step(MERGE, {"status": {"phase": str(number)}}, f"m{number}", subresource="status") for number in range(3)),
        *(Step(MERGE, spec(labels={f"n{number}": "x"}), f"z{number:02}") for number in range(1, 9)),
        *(Step(MERGE, spec(labels={f"o{number}": "x"}), f"A{number:02}") for number in range(1, 9)),
        Step(MERGE, spec(labels={"p": "x"}), "ancient-changes"),
        *(Step(MERGE, spec(labels={f"q{number}": "x"}), f"B{number:02}") for number in range(1, 9)),
        Step(APPLY, spec(labels={"n1": "y", "q1": "y"}), "Z"),
        Step(APPLY, spec(labels={"n1": "y", "q1": "y"}), "Z", force=True),
    ],
    "configurations that do not fit": [
        Step(APPLY, spec(text="a")),
        Step(APPLY, spec(unknown=1)),
        Step(APPLY, {"metadata": {"unknown": 1}}),
        Step(APPLY, spec(text=1)),
        Step(APPLY, spec(number="1")),
        Step(APPLY, spec(flag=1)),
        Step(APPLY, spec(labels=["a"])),
        Step(APPLY, spec(args={"a": 1})),
        Step(APPLY, spec(when={"a": True, "b": [None, 1.5]})),
        Step(APPLY, spec(tags=["a", "a"])),
        Step(APPLY, spec(tags=[None])),
        Step(APPLY, spec(tags=[["a"]])),
        Step(APPLY, spec(tags=[{"a": 1}])),
        Step(APPLY, spec(items=[{"name": "a"}, {"name": "a"}])),
        Step(APPLY, spec(items=[{"value": "a"}])),
        Step(APPLY, spec(items=[None])),
        Step(APPLY, spec(items=["a"])),
        Step(APPLY, spec(items=[{"name": "a", "ports": [{"port": 1}, {"port": 1, "protocol": "TCP"}]}])),
        Step(APPLY, {"kind": "Other"}),
        Step(APPLY, {"apiVersion": "v1"}),
        Step(APPLY, managed(entry("m1", {}))),
        Step(APPLY, managed()),
    ],
    "patches that do not apply": [
        Step(CREATE, spec(text="a", args=["x", "y"], labels={"a/b": "1", "m~n": "2"}, values={"x": [1, {"y": None}]})),
        *(
            Step(JSON_PATCH, [operation], "m2")
            for operation in (
                {"op": "test", "path": "/spec/text", "value": "a"},
                {"op": "test", "path": "/spec/text", "value": "b"},
                {"op": "test", "path": "/spec/text"},
                {"op": "test", "path": "/spec/absent"},
                {"op": "test", "path": "/spec/absent", "value": None},
                {"op": "test", "path": "/spec/values/x", "value": [1, {"y": None}]},
                {"op": "test", "path": "/spec/values/x/0", "value": True},
                {"op": "test", "path": "/spec/absent/x", "value": None},
                {"op": "replace", "path": "/spec/labels/a~1b", "value": "3"},
                {"op": "replace", "path": "/spec/labels/m~0n", "value": "3"},
                {"op": "replace", "path": "/spec/labels/absent", "value": "3"},
                {"op": "replace", "path": "/spec/args/5", "value": "3"},
                {"op": "replace", "path": "/spec/args/-1", "value": "z"},
                {"op": "replace", "path": "/spec/args/x", "value": "z"},
                {"op": "add", "path": "/spec/args/2", "value": "end"},
                {"op": "add", "path": "/spec/args/-4", "value": "start"},
                {"op": "add", "path": "/spec/args/-", "value": "end"},
                {"op": "add", "path": "/spec/args/9", "value": "end"},
                {"op": "add", "path": "/spec/absent/x", "value": "end"},
                {"op": "add", "path": "", "value": {}},
                {"op": "add", "path": "/spec/text"},
                {"op": "add", "value": "x"},
                {"op": "remove", "path": "/spec/absent"},
                {"op": "remove", "path": "/spec/args/-1"},
                {"op": "remove", "path": "/spec/args/7"},
                {"op": "remove", "path": "/spec/text/x"},
                {"op": "move", "path": "/spec/labels/x", "from": "/spec/labels/a~1b"},
                {"op": "move", "path": "/spec/labels/x", "from": "/spec/labels/absent"},
                {"op": "move", "path": "/spec/labels/x"},
                {"op": "copy", "path": "/spec/labels/y", "from": "/spec/labels/x"},
                {"op": "copy", "path": "/spec/labels/z", "from": "/spec/labels/absent"},
                {"op": "copy", "path": "/spec/labels/z", "from": "/absent/labels/absent"},
                {"op": "other", "path": "/spec"},
                {"path": "/spec"},
                {},
                None,
            )
        ),
        Step(JSON_PATCH, [], "m2"),
        Step(JSON_PATCH, None, "m2"),
        Step(JSON_PATCH, {}, "m2"),
        Step(JSON_PATCH, "x", "m2"),
        Step(JSON_PATCH, ["x"], "m2"),
        Step(JSON_PATCH, [{"op": 1}], "m2"),
        Step(JSON_PATCH, [{"op": "test", "path": 1}], "m2"),
        Step(JSON_PATCH, [{"op": "test", "path": "/spec/text", "value": "a"}] * 10_001, "m2"),
        Step(MERGE, [], "m2"),
        Step(MERGE, None, "m2"),
        Step(MERGE, "x", "m2"),
        Step(MERGE, 1, "m2"),
    ],
}


@pytest.mark.parametrize("steps", SEQUENCES.values(), ids=SEQUENCES)
def test_a_sequence_of_writes_is_the_same_in_both_places(samples: Replay, steps: list[Step]) -> None:
    samples.play(steps)


def test_owners_of_parts_own_the_whole_when_a_schema_makes_it_one_value(control_plane: ControlPlane) -> None:
    names = ("labels", "pair", "tags", "items", "atomicMap", "values")
    fields = {name: SCHEMA["properties"]["spec"]["properties"][name] for name in names}
    atomic_map, atomic_list = {"x-kubernetes-map-type": "atomic"}, {"x-kubernetes-list-type": "atomic"}
    plain_items = without(without(fields["items"], "x-kubernetes-list-map-keys"), "x-kubernetes-list-type")
    changed = {
        "labels": fields["labels"] | atomic_map,
        "pair": fields["pair"] | atomic_map,
        "tags": fields["tags"] | atomic_list,
        "items": plain_items,
        "atomicMap": without(fields["atomicMap"], "x-kubernetes-map-type"),
        "values": fields["values"],
    }
    first = spec(
        labels={"x": "1", "y": "1"},
        pair={"a": "1"},
        tags=["a", "b"],
        items=[{"name": "a", "value": "1"}],
        atomicMap={"a": "1"},
        values={"a": {"b": 1}},
    )
    with closing(Replay(control_plane, "Changing")) as replay:
        replay.install(of_spec(fields))
        live = replay.play([Step(APPLY, first), Step(MERGE, spec(labels={"z": "1"}, tags=["a", "b", "c"]), "m2")])
        replay.install(of_spec(changed))
        probe = Step(APPLY, spec(labels={"x": "1"}))
        for _ in range(2_000):
            answer = replay.send(probe, "probe", None, dry_run="All")
            if answer["metadata"]["managedFields"][0]["fieldsV1"] == {"f:spec": {"f:labels": {}}}:
                break
        else:
            pytest.fail("the changed schema does not take effect")
        steps = [
            Step(APPLY, first, "m1"),
            Step(MERGE, spec(text="x"), "m3"),
            Step(APPLY, first, "m1", force=True),
            Step(APPLY, spec(labels={"x": "1"}, atomicMap={"b": "1"}), "m1", force=True),
        ]
        replay.play(steps, live)


def of_spec(fields: Document) -> Document:
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": fields}}}


SELECTORS = [
    ("labelSelector", text)
    for text in (
        "x=1",
        "x!=1",
        "x in (1,2),y",
        "!y",
        "z>1",
        "x=1 y",
        "x in (",
        "x/y/z",
        "-x",
        "x=-",
        "x in (-,_)",
        "z>a",
    )
] + [
    ("fieldSelector", text)
    for text in ("metadata.name=select-1", "metadata.namespace!=default", "spec.text=a", "metadata.name", "a=b=c", "=")
]


def test_selectors_select_and_refuse_the_same(samples: Replay) -> None:
    objects = [
        samples.request(
            "POST", "", Step(CREATE, {"metadata": {"labels": labels}}).document("Sample", f"select-{number}")
        )
        for number, labels in enumerate(({"x": "1"}, {"x": "2", "y": ""}, {"y": "1", "z": "2"}, {"z": "0"}))
    ]
    for parameter, text in SELECTORS:
        answer = samples.request("GET", f"?{urlencode({parameter: text})}")
        try:
            if parameter == "labelSelector":
                labels = parse_labels(text)
                chosen = [item for item in objects if labels.matches(item["metadata"]["labels"])]
            else:
                fields = parse_fields(text, namespaced=True)
                names = ("name", "namespace")
                chosen = [
                    item
                    for item in objects
                    if fields.matches({f"metadata.{key}": item["metadata"][key] for key in names})
                ]
        except TenantryError as error:
            refusal = error.message, 400
        else:
            there = [
                item["metadata"]["name"] for item in answer["items"] if item["metadata"]["name"].startswith("select")
            ]
            assert [item["metadata"]["name"] for item in chosen] == there, text
            continue
        assert (answer["message"], answer["code"]) == refusal, text


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
    some(1, 1.5, "a", None) | st.booleans(),
    lambda inner: st.lists(inner, max_size=2) | subset(x=inner, y=inner),
    max_leaves=4,
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
    options=unique(TEXTS) | st.none(),
    numbers=unique(some(1, 2, 10)),
    args=st.lists(TEXTS, max_size=2),
    subjects=st.lists(PAIRS, max_size=2),
    items=ITEMS,
    values=subset(x=JSON, y=JSON),
    anything=JSON.filter(lambda value: value is not None),
    open=subset(known=PAIRS, x=JSON),
)
# owners of a kind that nobody serves: of any other the garbage collector finds that they are not there
REFERENCES = unique(
    st.fixed_dictionaries(
        {"apiVersion": st.just("absent.dev/v1"), "kind": st.just("Owner"), "name": TEXTS, "uid": some("u1", "u2")}
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
    st.builds(Step, some(MERGE, PUT), DOCUMENTS, MANAGERS),
    st.builds(Step, st.just(JSON_PATCH), st.lists(OPERATIONS, max_size=2), MANAGERS),
    st.builds(Step, some(MERGE, PUT), DOCUMENTS, MANAGERS, subresource=st.just("status")),
    st.builds(Step, st.just(APPLY), DOCUMENTS, MANAGERS, st.booleans(), subresource=st.just("status")),
)
FIRST = st.builds(Step, some(CREATE, APPLY), DOCUMENTS, MANAGERS)


@settings(max_examples=350, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(first=FIRST, rest=st.lists(STEPS, min_size=2, max_size=6))
def test_any_sequence_of_writes_is_the_same_in_both_places(samples: Replay, first: Step, rest: list[Step]) -> None:
    samples.play([first, *rest])
