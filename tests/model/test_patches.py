"""Patches without a server; what kube-apiserver makes of the same ones is in test_managedfields_cluster.py."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from tenantry.model.errors import Code, TenantryError
from tenantry.model.jsontree import depth_of
from tenantry.model.limits import MAX_BYTES, MAX_DEPTH, MAX_OPERATIONS
from tenantry.model.patches import json_patch, merge_patch

DOCUMENT: dict[str, Any] = {
    "spec": {"a": 1, "b": {"c": "d", "e": [1, {"x": None}]}, "list": ["x", "y"], "n": None, "~/": "t"},
    "status": {"phase": "a"},
}


@pytest.mark.parametrize(
    ("patch", "changes"),
    [
        ({}, {}),
        ({"spec": {"a": 2}}, {"a": 2}),
        ({"spec": {"b": {"c": None, "f": 1}}}, {"b": {"e": [1, {"x": None}], "f": 1}}),
        ({"spec": {"b": None}}, {"b": ...}),
        ({"spec": {"absent": None}}, {}),
        ({"spec": {"list": [None, {"a": None}]}}, {"list": [None, {}]}),
        ({"spec": {"b": [{"a": None}]}}, {"b": [{"a": None}]}),
        ({"spec": {"new": {"a": None, "b": {"c": None}}}}, {"new": {"b": {}}}),
        ({"spec": {"a": {"x": {"y": None}}}}, {"a": {"x": {}}}),
        ({"spec": {"n": {"x": None}}}, {"n": {}}),
        ({"spec": {"b": "scalar"}}, {"b": "scalar"}),
    ],
)
def test_a_merge_patch_merges(patch: dict[str, Any], changes: dict[str, Any]) -> None:
    before = copy.deepcopy(DOCUMENT)
    spec = {name: value for name, value in {**DOCUMENT["spec"], **changes}.items() if value is not ...}
    patched = merge_patch(DOCUMENT, patch)
    assert patched == {"spec": spec, "status": {"phase": "a"}}
    assert before == DOCUMENT
    assert patched["status"] is DOCUMENT["status"]


@pytest.mark.parametrize("patch", [None, [], "x", 1, True])
def test_a_merge_patch_that_is_no_object_is_refused(patch: Any) -> None:
    with pytest.raises(TenantryError) as refused:
        merge_patch(DOCUMENT, patch)
    assert refused.value.code is Code.BAD_REQUEST


@pytest.mark.parametrize(
    ("operations", "changes"),
    [
        ([], {}),
        (None, {}),
        ([{"op": "add", "path": "/spec/a", "value": 2}], {"a": 2}),
        ([{"op": "add", "path": "/spec/z"}], {"z": None}),
        ([{"op": "add", "path": "/spec/list/1", "value": "m"}], {"list": ["x", "m", "y"]}),
        ([{"op": "add", "path": "/spec/list/-", "value": "m"}], {"list": ["x", "y", "m"]}),
        ([{"op": "add", "path": "/spec/list/-1", "value": "m"}], {"list": ["x", "y", "m"]}),
        ([{"op": "remove", "path": "/spec/list/-1"}], {"list": ["x"]}),
        ([{"op": "replace", "path": "/spec/list/0", "value": "m"}], {"list": ["m", "y"]}),
        ([{"op": "replace", "path": "/spec/absent", "value": 1}], {"absent": 1}),
        ([{"op": "replace", "path": "/spec/~0~1", "value": "u"}], {"~/": "u"}),
        ([{"op": "move", "from": "/spec/a", "path": "/spec/z"}], {"a": ..., "z": 1}),
        ([{"op": "copy", "from": "/spec/b/c", "path": "/spec/z"}], {"z": "d"}),
        ([{"op": "copy", "from": "/spec/absent", "path": "/spec/z"}], {"z": None}),
        ([{"op": "test", "path": "/spec/b", "value": {"e": [1, {"x": None}], "c": "d"}}], {}),
        ([{"op": "test", "path": "/spec/absent", "value": None}, {"op": "test", "path": "/spec/n"}], {}),
        ([{"op": "test", "path": "", "value": DOCUMENT}], {}),
    ],
)
def test_a_json_patch_applies(operations: Any, changes: dict[str, Any]) -> None:
    before = copy.deepcopy(DOCUMENT)
    spec = {name: value for name, value in {**DOCUMENT["spec"], **changes}.items() if value is not ...}
    assert json_patch(DOCUMENT, operations) == {"spec": spec, "status": {"phase": "a"}}
    assert before == DOCUMENT


def test_a_copy_does_not_share_what_it_copied() -> None:
    copied = [
        {"op": "copy", "from": "/spec/list", "path": "/spec/z"},
        {"op": "add", "path": "/spec/z/-", "value": "m"},
    ]
    patched = json_patch(DOCUMENT, copied)
    assert (patched["spec"]["list"], patched["spec"]["z"]) == (["x", "y"], ["x", "y", "m"])


def test_a_patch_can_be_applied_again() -> None:
    for create in ({"op": "add", "path": "/spec/z"}, {"op": "replace", "path": "/spec/z"}):
        operations = [{**create, "value": ["x"]}, {"op": "add", "path": "/spec/z/-", "value": "y"}]
        assert json_patch(DOCUMENT, operations)["spec"]["z"] == ["x", "y"]
        assert json_patch(DOCUMENT, operations)["spec"]["z"] == ["x", "y"]


def test_copies_are_counted_so_that_none_doubles_the_document_without_end() -> None:
    twice = {"op": "copy", "from": "/spec", "path": "/spec/list/-"}
    with pytest.raises(TenantryError) as refused:
        json_patch({"spec": {"list": ["x" * 1000]}}, [twice] * 14)
    assert refused.value.code is Code.INVALID
    assert re.search(
        r"the copy, the accumulated size increase of copy is \d{7}, exceeding the limit 1572864",
        refused.value.message,
    )


def test_what_one_copy_may_add_many_may_add_together() -> None:
    whole = {"op": "copy", "from": "/spec", "path": "/copy"}
    document = {"spec": "x" * (MAX_BYTES // 3 - 2)}
    assert json_patch(document, [whole] * 3)["copy"] == document["spec"]
    with pytest.raises(TenantryError, match="Unable to complete the copy"):
        json_patch(document, [whole] * 4)


@pytest.mark.parametrize("last", [[], [{"op": "copy", "from": "/a", "path": "/c"}]])
def test_a_patch_that_nests_too_deep_is_refused(last: list[Any]) -> None:
    wrap = [
        {"op": "add", "path": "/b", "value": {}},
        {"op": "move", "from": "/a", "path": "/b/a"},
        {"op": "move", "from": "/b", "path": "/a"},
    ]
    deepest = json_patch({"a": {}}, wrap * (MAX_DEPTH - 2))
    assert depth_of(deepest) == MAX_DEPTH
    with pytest.raises(TenantryError) as refused:
        json_patch(deepest, [*wrap * 1000, *last])
    assert refused.value.code is Code.INVALID
    assert f"nested more than {MAX_DEPTH} deep" in refused.value.message


def test_a_json_patch_may_replace_the_root() -> None:
    assert json_patch(DOCUMENT, [{"op": "replace", "path": "", "value": {"a": 1}}]) == {"a": 1}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/spec/a", "value": 2},
        {"op": "test", "path": "/spec/a", "value": True},
        {"op": "test", "path": "/spec/a"},
        {"op": "test", "path": "/absent/a", "value": None},
        {"op": "remove", "path": "/spec/absent"},
        {"op": "remove", "path": "/spec/list/2"},
        {"op": "remove", "path": ""},
        {"op": "add", "path": "/spec/list/3", "value": 1},
        {"op": "add", "path": "/spec/list/x", "value": 1},
        {"op": "add", "path": "/spec/a/b", "value": 1},
        {"op": "add", "path": "", "value": {}},
        {"op": "add", "value": 1},
        {"op": "replace", "path": "/spec/list/2", "value": 1},
        {"op": "replace", "path": "", "value": 1},
        {"op": "replace", "path": "", "value": []},
        {"op": "move", "from": "/spec/absent", "path": "/spec/z"},
        {"op": "move", "path": "/spec/z"},
        {"op": "copy", "from": "/absent/x", "path": "/spec/z"},
        {"op": "unknown", "path": "/spec"},
        {},
        None,
    ],
)
def test_an_operation_that_does_not_apply_is_refused(operation: Any) -> None:
    with pytest.raises(TenantryError) as refused:
        json_patch(DOCUMENT, [operation])
    assert refused.value.code is Code.INVALID


@pytest.mark.parametrize(
    ("operations", "code"),
    [
        ({}, Code.BAD_REQUEST),
        ("x", Code.BAD_REQUEST),
        (["x"], Code.BAD_REQUEST),
        ([{"op": 1}], Code.BAD_REQUEST),
        ([{"op": "test", "path": []}], Code.BAD_REQUEST),
        ([{"op": "test", "path": "/spec/a", "value": 1}] * (MAX_OPERATIONS + 1), Code.TOO_LARGE),
    ],
)
def test_a_malformed_json_patch_is_refused(operations: Any, code: Code) -> None:
    with pytest.raises(TenantryError) as refused:
        json_patch(DOCUMENT, operations)
    assert refused.value.code is code
