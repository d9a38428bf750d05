"""Who owns what after a write, on small objects; test_managedfields_cluster.py compares with kube-apiserver."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantry.model import schema
from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError
from tenantry.model.kinds import BY_NAME
from tenantry.model.managedfields import managers
from tenantry.model.managedfields.comparison import compare
from tenantry.model.managedfields.ownership import apply, unchanged, update
from tenantry.model.managedfields.schema import compile_schema
from tenantry.model.managedfields.typed import field_set

Document = dict[str, Any]

STRING = {"type": "string"}
THING = compile_schema(
    "x.dev/v1",
    "Thing",
    {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "name": STRING,
                    "size": {"type": "integer"},
                    "labels": {"type": "object", "additionalProperties": STRING},
                    "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": STRING},
                    "hosts": {"type": "array", "items": STRING},
                    "parts": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["name"],
                        "items": {"type": "object", "properties": {"name": STRING, "value": STRING}},
                    },
                    "values": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            },
            "status": {"type": "object", "properties": {"phase": STRING}},
        },
    },
)
SECOND = 1_000_000
FIRST, LATER = 1_700_000_000 * SECOND, 1_700_000_060 * SECOND
FIRST_TIME, LATER_TIME = "2023-11-14T22:13:20Z", "2023-11-14T22:14:20Z"


def thing(**spec: Any) -> Document:
    return {"apiVersion": "x.dev/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": spec}


def stored(document: Document) -> Document:
    """``document`` as the server keeps it: with an identity."""
    return {**document, "metadata": {**document["metadata"], "uid": "u", "resourceVersion": "1"}}


def owners(document: Document) -> dict[str, Any]:
    """FieldsV1 by manager, without the spec above."""
    entries = document["metadata"].get("managedFields", [])
    return {f"{entry['manager']} {entry['operation']}": entry["fieldsV1"].get("f:spec") for entry in entries}


def test_a_create_owns_all_that_it_sets() -> None:
    created = update(THING, None, thing(name="a", parts=[{"name": "p"}], hosts=["h"]), manager="m", now=FIRST)
    assert created["metadata"]["managedFields"] == [
        {
            "apiVersion": "x.dev/v1",
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:spec": {
                    ".": {},
                    "f:name": {},
                    "f:parts": {".": {}, 'k:{"name":"p"}': {".": {}, "f:name": {}}},
                    "f:hosts": {},
                }
            },
            "manager": "m",
            "operation": "Update",
            "time": FIRST_TIME,
        }
    ]


def test_an_update_takes_what_it_changes_and_nothing_else() -> None:
    live = stored(update(THING, None, thing(name="a", size=1, labels={"x": "1"}), manager="m1", now=FIRST))
    changed = stored(thing(name="b", size=1, labels={"y": "1"}))
    after = update(THING, live, changed, manager="m2", now=LATER)
    assert owners(after) == {
        "m1 Update": {".": {}, "f:labels": {}, "f:size": {}},
        "m2 Update": {"f:name": {}, "f:labels": {"f:y": {}}},
    }
    assert [entry["time"] for entry in after["metadata"]["managedFields"]] == [FIRST_TIME, LATER_TIME]


def test_a_manager_without_fields_goes() -> None:
    live = stored(apply(THING, None, thing(name="a"), manager="m1", now=FIRST))
    after = update(THING, live, stored(thing(name="b")), manager="m2", now=LATER)
    assert owners(after) == {"m2 Update": {"f:name": {}}}


def test_arguments_are_left_alone() -> None:
    live = stored(apply(THING, None, thing(name="a", parts=[{"name": "p", "value": "1"}]), manager="m1", now=FIRST))
    config, before = thing(parts=[{"name": "q"}]), copy.deepcopy(live)
    apply(THING, live, config, manager="m1", now=LATER)
    update(THING, live, stored(thing()), manager="m2", now=LATER)
    assert (live, config) == (before, thing(parts=[{"name": "q"}]))


def test_an_apply_removes_what_it_no_longer_sets_and_nobody_else_owns() -> None:
    live = stored(apply(THING, None, thing(name="a", tags=["x", "y"], values={"a": {"b": 1}}), manager="m1", now=FIRST))
    live = stored(apply(THING, live, thing(tags=["y", "z"]), manager="m2", now=FIRST))
    after = apply(THING, live, thing(name="a"), manager="m1", now=LATER)
    assert after["spec"] == {"name": "a", "tags": ["y", "z"]}
    assert owners(after) == {"m2 Apply": {"f:tags": {'v:"y"': {}, 'v:"z"': {}}}, "m1 Apply": {"f:name": {}}}


def test_an_apply_that_changes_nothing_keeps_its_time() -> None:
    live = stored(apply(THING, None, thing(name="a"), manager="m1", now=FIRST))
    again = apply(THING, live, thing(name="a"), manager="m1", now=LATER)
    assert again == live
    assert unchanged(live, again)


def test_a_later_time_alone_is_no_change() -> None:
    live = stored(apply(THING, None, thing(name="a", hosts=["1"]), manager="m1", now=FIRST))
    again = stored(apply(THING, None, thing(name="a", hosts=["1"]), manager="m1", now=LATER))
    assert again["metadata"]["managedFields"][0]["time"] == LATER_TIME
    assert unchanged(live, again)
    assert not unchanged(live, {**again, "spec": {**again["spec"], "hosts": ["2"]}})
    assert not unchanged(live, stored(thing(name="a", hosts=["1"])))


def test_conflicts_name_field_and_manager() -> None:
    live = stored(update(THING, None, thing(name="a"), manager="kubectl-client-side-apply", now=FIRST))
    with pytest.raises(TenantryError) as refused:
        apply(THING, live, thing(name="b"), manager="m", now=LATER)
    cause = 'conflict with "kubectl-client-side-apply" using x.dev/v1'
    assert refused.value.code is Code.CONFLICT
    assert refused.value.message == f"Apply failed with 1 conflict: {cause}: .spec.name"
    assert refused.value.fields == (FieldError(".spec.name", FieldCode.MANAGER_CONFLICT, cause),)


def test_many_conflicts_are_grouped_by_manager() -> None:
    live = stored(apply(THING, None, thing(name="a", parts=[{"name": "p", "value": "1"}]), manager="m2", now=FIRST))
    live = stored(apply(THING, live, thing(size=1), manager="m1", now=FIRST))
    with pytest.raises(TenantryError) as refused:
        apply(THING, live, thing(name="b", size=2, parts=[{"name": "p", "value": "2"}]), manager="m3", now=LATER)
    assert refused.value.message == (
        'Apply failed with 3 conflicts: conflicts with "m1":\n- .spec.size\n'
        'conflicts with "m2":\n- .spec.name\n- .spec.parts[name="p"].value'
    )


def test_force_takes_the_fields() -> None:
    live = stored(apply(THING, None, thing(name="a", size=1), manager="m1", now=FIRST))
    after = apply(THING, live, thing(name="b"), manager="m2", now=LATER, force=True)
    assert after["spec"] == {"name": "b", "size": 1}
    assert owners(after) == {"m1 Apply": {"f:size": {}}, "m2 Apply": {"f:name": {}}}


def test_true_is_not_one() -> None:
    live = stored(apply(THING, None, thing(values={"a": 1}), manager="m1", now=FIRST))
    with pytest.raises(TenantryError, match="conflict"):
        apply(THING, live, thing(values={"a": True}), manager="m2", now=LATER)


def test_each_door_has_owners_of_its_own() -> None:
    live = stored(apply(THING, None, thing(name="a") | {"status": {"phase": "x"}}, manager="m", now=FIRST))
    after = update(THING, live, {**live, "status": {"phase": "y"}}, manager="m", now=LATER, subresource="status")
    entries = after["metadata"]["managedFields"]
    assert [(entry["operation"], entry.get("subresource")) for entry in entries] == [
        ("Apply", None),
        ("Update", "status"),
    ]
    assert entries[1]["fieldsV1"] == {"f:status": {"f:phase": {}}}


def test_cleared_managed_fields_are_tracked_again_from_the_next_apply() -> None:
    live = stored(apply(THING, None, thing(name="a"), manager="m1", now=FIRST))
    cleared = {**live, "metadata": {**live["metadata"], "managedFields": [{}]}}
    live = update(THING, live, cleared, manager="m2", now=FIRST)
    assert "managedFields" not in live["metadata"]
    assert "managedFields" not in update(THING, live, stored(thing(name="b")), manager="m2", now=FIRST)["metadata"]
    after = apply(THING, live, thing(size=1), manager="m1", now=LATER)
    assert owners(after) == {"m1 Apply": {"f:size": {}}, "before-first-apply Update": {".": {}, "f:name": {}}}


def test_a_client_may_edit_managed_fields_but_not_break_them() -> None:
    live = stored(apply(THING, None, thing(name="a"), manager="m1", now=FIRST))
    given = copy.deepcopy(live)
    given["metadata"]["managedFields"][0]["manager"] = "renamed"
    assert owners(update(THING, live, given, manager="m2", now=LATER)) == {"renamed Apply": {"f:name": {}}}
    given["metadata"]["managedFields"][0]["operation"] = "Own"
    assert owners(update(THING, live, given, manager="m2", now=LATER)) == {"m1 Apply": {"f:name": {}}}


@pytest.mark.parametrize(
    ("config", "code", "message"),
    [
        ({"kind": "Other"}, Code.BAD_REQUEST, "invalid object type: x.dev/v1, Kind=Other"),
        ({"metadata": {"managedFields": []}}, Code.BAD_REQUEST, "metadata.managedFields must be nil"),
        ({"spec": {"absent": 1}}, Code.INVALID, ".spec.absent: field not declared in schema"),
        ({"spec": {"size": "1"}}, Code.INVALID, "expected numeric (int or float), got string"),
        ({"spec": {"tags": ["a", "a"]}}, Code.INVALID, '.spec.tags: duplicate entries for key [="a"]'),
        ({"spec": {"parts": [{"value": "a"}]}}, Code.INVALID, "omits all key fields"),
        ({"spec": {"name": 1, "size": "x"}}, Code.INVALID, "errors:\n  .spec.name: expected string"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(config: Document, code: Code, message: str) -> None:
    with pytest.raises(TenantryError) as refused:
        apply(THING, None, {**thing(), **config}, manager="m", now=FIRST)
    assert refused.value.code is code
    assert message in refused.value.message


def test_old_updates_are_folded_into_one() -> None:
    live = stored(update(THING, None, thing(labels={}), manager="m99", now=FIRST))
    for number in range(1, 13):
        labels = {f"l{index}": "" for index in range(number + 1)}
        new = {**live, "spec": {"labels": labels}}
        live = update(THING, live, new, manager=f"m{99 - number}", now=FIRST + number * SECOND)
    entries = live["metadata"]["managedFields"]
    assert [entry["manager"] for entry in entries] == [
        "ancient-changes",
        *(f"m{99 - number}" for number in range(4, 13)),
    ]
    folded: Document = {"f:l0": {}, "f:l1": {}, "f:l2": {}, "f:l3": {}, ".": {}}
    assert entries[0]["fieldsV1"] == {"f:spec": {".": {}, "f:labels": folded}}
    assert entries[0]["time"] == "2023-11-14T22:13:23Z"


def test_items_that_cannot_be_told_apart_are_one_thing() -> None:
    twice = thing(parts=[{"name": "p", "value": "1"}, {"name": "p", "value": "2"}])
    other = thing(parts=[{"name": "p", "value": "1"}, {"name": "p", "value": "3"}])
    once = thing(parts=[{"name": "p", "value": "1"}])
    item, leaves = ("f:spec", "f:parts", 'k:{"name":"p"}'), ("f:name", "f:value")
    assert item in set(field_set(THING.type, twice).paths())
    assert (*item, "f:value") not in set(field_set(THING.type, twice).paths())
    everything = {item, *((*item, leaf) for leaf in leaves)}
    for old, new, written, removed in (
        (twice, twice, set(), set()),
        (twice, other, {item}, set()),
        (twice, once, everything, {item}),
        (once, twice, {item}, everything),
    ):
        changes = compare(THING.type, old, new)
        assert (set(changes.written.paths()), set(changes.removed.paths())) == (written, removed)


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("kubectl/v1.36.3 (linux/amd64)", "kubectl"),
        ("", ""),
        ("a\tb\u200b/1", "ab"),
        ("é" * 70 + "/1", "é" * 64),
        ("Mozilla", "Mozilla"),
    ],
)
def test_the_default_manager_comes_from_the_user_agent(user_agent: str, name: str) -> None:
    assert managers.default_name(user_agent) == name


@pytest.mark.parametrize(
    ("name", "messages"),
    [
        ("m", []),
        ("m" * 129, ["Too long: may not be more than 128 bytes"]),
        ("é\n", ['Invalid value: "é\\n": invalid character U+000A (at position 2)']),
    ],
)
def test_the_name_of_a_manager_is_checked(name: str, messages: list[str]) -> None:
    assert [error.message for error in managers.check_name(name)] == messages
    entry = {"manager": name, "subresource": "s" * 257}
    paths = [error.path for error in managers.check([entry])]
    assert paths == ["metadata.managedFields[0].manager"] * len(messages) + ["metadata.managedFields[0].subresource"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "labels", "parts", "tags", "values", "f:spec", "k:{}", "."]), inner)
    ),
    max_leaves=8,
)
ENTRIES = st.fixed_dictionaries(
    {"operation": st.sampled_from(["Apply", "Update"]) | JSON, "apiVersion": st.just("x.dev/v1") | JSON},
    optional={"fieldsType": st.just("FieldsV1"), "fieldsV1": JSON, "manager": JSON, "time": JSON, "subresource": JSON},
)


@pytest.mark.slow
@given(old=JSON, new=JSON, entries=st.lists(ENTRIES, max_size=2))
def test_whatever_comes_is_stored_or_refused(old: Any, new: Any, entries: list[Any]) -> None:
    live = stored({**thing(), "spec": old})
    sent = {**thing(), "spec": new, "metadata": {"name": "t", "managedFields": entries}}
    written = update(THING, live, sent, manager="m", now=FIRST)
    for before in (live, stored(written), None):
        with contextlib.suppress(TenantryError):
            apply(THING, before, {**thing(), "spec": new}, manager="m", now=LATER, force=True)


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_every_kind_of_ours_compiles(name: str) -> None:
    kind = BY_NAME[name]
    compiled = compile_schema("tenantry.dev/v1alpha1", name, schema.document(kind))
    document = {"apiVersion": "tenantry.dev/v1alpha1", "kind": name, "metadata": {"name": "a", "labels": {"b": "c"}}}
    applied = apply(compiled, None, document, manager="m", now=FIRST)
    assert applied["metadata"]["managedFields"][0]["fieldsV1"] == {"f:metadata": {"f:labels": {"f:b": {}}}}
