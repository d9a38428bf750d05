"""JSON trees: what it means that two are the same."""

from __future__ import annotations

from typing import Any


def equal(left: Any, right: Any) -> bool:
    """Whether two JSON values are the same. Unlike under Python's ``==``, true is not 1; 1.0 is."""
    return left is right or (left == right and _alike(left, right))


def _alike(left: Any, right: Any) -> bool:
    """Whether equal values have their booleans at the same places."""
    if isinstance(left, dict):
        pairs = [(item, right[name]) for name, item in left.items() if not isinstance(item, str)]
    elif isinstance(left, list):
        pairs = [pair for pair in zip(left, right, strict=True) if not isinstance(pair[0], str)]
    else:
        return isinstance(left, bool) is isinstance(right, bool)
    return all(first is second or _alike(first, second) for first, second in pairs)
