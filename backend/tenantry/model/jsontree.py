"""JSON trees: how deep one is, and what it means that two are the same."""

from __future__ import annotations

from typing import Any


def depth_of(tree: Any) -> int:
    """How many objects and lists stand in each other at most; 0 for a scalar."""
    depth, level = 0, [tree]
    while level := [node for node in level if isinstance(node, (dict, list))]:
        depth += 1
        level = [child for node in level for child in (node.values() if isinstance(node, dict) else node)]
    return depth


def mend(tree: Any) -> Any:
    """``tree`` as JSON can have it: what is half a surrogate pair in its texts is U+FFFD, as in apimachinery."""
    if isinstance(tree, str):
        return tree.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(tree, list):
        return [mend(item) for item in tree]
    return {mend(key): mend(value) for key, value in tree.items()} if isinstance(tree, dict) else tree


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
