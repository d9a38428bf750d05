"""JSON trees: what it means that two are the same."""

from __future__ import annotations

from typing import Any


def equal(left: Any, right: Any) -> bool:
    """Whether two JSON values are the same. Unlike under Python's ``==``, true is not 1; 1.0 is."""
    return left is right or (left == right and _alike(left, right))


def _alike(left: Any, right: Any) -> bool:
    """Whether equal values have their booleans at the same places."""
    if left is right:
        return True
    if isinstance(left, dict):
        return all(_alike(item, right[name]) for name, item in left.items())
    if isinstance(left, list):
        return all(map(_alike, left, right))
    return isinstance(left, bool) is isinstance(right, bool)
