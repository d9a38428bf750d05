"""When two JSON values are the same."""

from __future__ import annotations

from typing import Any

import pytest

from tenantry.model.jsontree import equal


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
