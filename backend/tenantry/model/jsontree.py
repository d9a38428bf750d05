"""JSON trees: how deep one is, how many values it has, and what it means that two are the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import orjson

#: of JSON text without escapes: a string, or what stands before one more value, or around values
_TOKEN = re.compile(r'"[^"]*+"|(?P<next>,|[\[{](?!\s*+[\]}]))')
_BRACKET = re.compile(r'"[^"]*+"|(?P<open>[\[{])|(?P<close>[\]}])')


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
    return 1 + sum(1 for _ in _followed(text))


def has_more_values(text: str, limit: int) -> bool:
    """Whether there are more than ``limit`` values in JSON text; it costs nothing where so few characters are."""
    if len(text) <= limit or text.count(",") + text.count("[") + text.count("{") < limit:
        return False
    return next(islice(_followed(text), limit - 1, None), None) is not None


def is_deeper(text: str, limit: int) -> bool:
    """Whether :func:`depth_of` the tree that JSON text stands for is more than ``limit``, without making it."""
    depth = 0
    for token in _BRACKET.finditer(_without_escapes(text)):
        depth += bool(token["open"]) - bool(token["close"])
        if depth > limit:
            return True
    return False


def _followed(text: str) -> Iterator[str]:
    """Everything in JSON text that one more value follows."""
    return filter(None, (token["next"] for token in _TOKEN.finditer(_without_escapes(text))))


def _without_escapes(text: str) -> str:
    """JSON text in which every quotation mark begins or ends a string."""
    return text.replace("\\\\", "").replace('\\"', "")


def mend(tree: Any) -> Any:
    """``tree`` as JSON can have it: what is half a surrogate pair in its texts is U+FFFD, as in apimachinery."""
    if isinstance(tree, str):
        return tree.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(tree, list):
        return [mend(item) for item in tree]
    return {mend(key): mend(value) for key, value in tree.items()} if isinstance(tree, dict) else tree


def equal(left: Any, right: Any) -> bool:
    """Whether two JSON values are the same. Unlike under Python's ``==``, true is not 1; 1.0 is."""
    return left is right or (left == right and (_has_same_text(left, right) or _alike(left, right)))


def _has_same_text(left: Any, right: Any) -> bool:
    """What equal values mostly have; to find that out is 20 times faster than to look for their booleans."""
    try:
        return orjson.dumps(left) == orjson.dumps(right)
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
