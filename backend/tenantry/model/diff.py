"""What changed between two JSON trees, as a reader wants it: one line for each field, with its path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

#: how the entries of a list are told apart, the first that all of them have
_KEYS = ("name", "key", "role", "type", "host", "flag", "namespace")


class Difference(NamedTuple):
    """One field that differs; ``before`` or ``after`` is None where there is nothing."""

    path: str
    before: Any
    after: Any


def diff(before: Any, after: Any, path: str = "") -> list[Difference]:
    """The fields in which two trees differ, in the order of their paths.

    Lists of objects with a name are compared by name, other lists of objects and all lists of scalars as one value.
    """
    return list(_diff(before, after, path))


def _diff(before: Any, after: Any, path: str) -> Iterator[Difference]:
    if before == after and type(before) is type(after):
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            left, right = before.get(key), after.get(key)
            if left != right or type(left) is not type(right):
                yield from _diff(left, right, f"{path}.{key}" if path else key)
        return
    left, right = _by_key(before), _by_key(after)
    if left is not None and right is not None:
        for key in dict.fromkeys([*left, *right]):
            yield from _diff(left.get(key), right.get(key), f"{path}[{key}]")
        return
    yield Difference(path, before, after)


def _by_key(tree: Any) -> dict[str, Any] | None:
    """The entries of a list by their name, None where they have none."""
    if not isinstance(tree, list) or not all(isinstance(item, dict) for item in tree):
        return None
    for key in _KEYS:
        named = {f"{key}={item[key]}": item for item in tree if isinstance(item.get(key), str)}
        if len(named) == len(tree):
            return named
    return None
