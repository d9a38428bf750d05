"""JSON trees: how deep one is, how many values it has, and what it means that two are the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from tenantry.model import pieces

_BRACKET = re.compile(r"[\[\]{}]")


def depth_of(tree: Any) -> int:
    """How many objects and lists stand in each other at most; 0 for a scalar."""
    depth, level = 0, [tree]
    while level := [node for node in level if isinstance(node, (dict, list))]:
        depth += 1
        level = [child for node in level for child in (node.values() if isinstance(node, dict) else node)]
    return depth


def values_of(tree: Any) -> int:
    """How many objects, lists and scalars there are in ``tree``, itself included."""
    count, level = 0, [tree]
    while level:
        count += len(level)
        nodes = [node for node in level if isinstance(node, (dict, list))]
        level = [child for node in nodes for child in (node.values() if isinstance(node, dict) else node)]
    return count


def values_in(text: str) -> int:
    """:func:`values_of` the tree that JSON text stands for, without making it."""
    bare = "".join(_bare(text))
    return 1 + bare.count(",") + bare.count("[") - bare.count("[]") + bare.count("{") - bare.count("{}")


def has_more_values(text: str, limit: int) -> bool:
    """Whether there are more than ``limit`` values in JSON text; it costs nothing where so few characters are."""
    if len(text) <= limit or text.count(",") + text.count("[") + text.count("{") < limit:
        return False
    return values_in(text) > limit


def is_deeper(text: str, limit: int) -> bool:
    """Whether :func:`depth_of` the tree that JSON text stands for is more than ``limit``, without making it."""
    depth = 0
    for piece in _bare(text):
        for bracket in _BRACKET.findall(piece):
            depth += 1 if bracket in "[{" else -1
            if depth > limit:
                return True
    return False


def _bare(text: str) -> Iterator[str]:
    """JSON text by pieces, without whitespace and with nothing of each string but quotation marks."""
    if "\\" in text:
        text = text.replace("\\\\", "").replace('\\"', "")  # now each quotation mark begins or ends a string
    inside = False
    for start in range(0, len(text), pieces.LENGTH):
        parts = text[start : start + pieces.LENGTH].split('"')
        begun = '"' if inside else ""
        yield "".join((begun + '"'.join(parts[inside::2])).split())
        inside ^= len(parts) % 2 == 0


def mend(tree: Any) -> Any:
    """``tree`` as JSON can have it: what is half a surrogate pair in its texts is U+FFFD, as in apimachinery."""
    if isinstance(tree, str):
        return tree.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(tree, list):
        return [mend(item) for item in tree]
    return {mend(key): mend(value) for key, value in tree.items()} if isinstance(tree, dict) else tree


def equal(left: Any, right: Any) -> bool:
    """Whether two JSON values are the same. Unlike under Python's ``==``, true is not 1; 1.0 is."""
    return left is right or (
        left == right and (isinstance(left, str) or _has_same_text(left, right) or _alike(left, right))
    )


def _has_same_text(left: Any, right: Any) -> bool:
    """What equal values mostly have; to find that out is 20 times faster than to look for their booleans."""
    try:
        return orjson.dumps(left, option=orjson.OPT_SORT_KEYS) == orjson.dumps(right, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # an integer beyond 64 bits
        return False


def _alike(left: Any, right: Any) -> bool:
    """Whether equal values have their booleans at the same places."""
    if isinstance(left, dict):
        pairs = [(item, right[name]) for name, item in left.items() if not isinstance(item, str)]
    elif isinstance(left, list):
        pairs = [pair for pair in zip(left, right, strict=True) if not isinstance(pair[0], str)]
    else:
        return isinstance(left, bool) is isinstance(right, bool)
    return all(first is second or _alike(first, second) for first, second in pairs)
