"""When two JSON values are the same, and how many there are in a document."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantry.model.jsontree import depth_of, equal, has_more_values, is_deeper, values_in, values_of


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ({"a": [1, {"b": "c"}]}, {"a": [1, {"b": "c"}]}, True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ([1, 2], [2, 1], False),
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        ({"a": [1, {"b": 1}]}, {"a": [1, {"b": True}]}, False),
        ([True], [1], False),
        (None, False, False),
        ({}, [], False),
        ({"a": None}, {}, False),
        ("1", 1, False),
    ],
)
def test_values_are_the_same(left: Any, right: Any, same: bool) -> None:  # noqa: FBT001 - a table's column
    assert equal(left, right) is same
    assert equal(right, left) is same


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(alphabet='a"\\,[]{}: \n') | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet='a"\\,[{'), inner),
)


@pytest.mark.slow
@given(JSON, st.sampled_from([None, 2]))
def test_values_are_counted_in_text_as_in_the_tree(tree: Any, indent: int | None) -> None:
    text = json.dumps(tree, indent=indent)
    count = values_of(tree)
    assert values_in(text) == count
    assert count == 1 or has_more_values(text, count - 1)
    assert not has_more_values(text, count)
    depth = depth_of(tree)
    assert depth == 0 or is_deeper(text, depth - 1)
    assert not is_deeper(text, depth)


@pytest.mark.parametrize(
    ("text", "count"),
    [("1", 1), ("[]", 1), ("{ \n}", 1), ("[ [] , {}]", 3), ('{"a": {"b": [1, ",[", "\\\\"]}}', 6), ('"\\\\\\""', 1)],
)
def test_values_of_text(text: str, count: int) -> None:
    assert values_in(text) == values_of(json.loads(text)) == count
