"""Merge an applied configuration into the live object: nothing is removed, and what both have comes from the apply.

A port of structured-merge-diff's ``Merge``. What the configuration does not touch is shared with the live object.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from operator import is_
from typing import Any

from tenantry.model.jsontree import equal
from tenantry.model.managedfields.schema import ListType, MapType, Type, atom_of
from tenantry.model.managedfields.typed import ABSENT, child_type, item_element, item_type


def merge(kind: Type, live: Any, config: Any) -> Any:
    """``config`` over ``live``; either may be :data:`~.typed.ABSENT`.

    Raises:
        ValueError: an item of a list has no key.
    """
    if config is ABSENT:
        return live
    if live is ABSENT:
        return config
    atom = atom_of(kind, config)
    if isinstance(atom, MapType) and not atom.atomic:
        return _merge_maps(atom, live, config)
    if isinstance(atom, ListType) and not atom.atomic:
        return _merge_lists(atom, live, config)
    return live if equal(live, config) else config


def _merge_maps(atom: MapType, live: Any, config: Any) -> Any:
    if not (live and isinstance(live, dict)):
        return config
    if not config:
        return live  # null or an empty map sets nothing in a map that has something
    merged = live
    for name, applied in config.items():
        present = live.get(name, ABSENT)
        if isinstance(applied, str) and applied == present:  # most of what there is
            continue
        value = merge(child_type(atom, name), present, applied)
        if value is not present:
            merged = dict(live) if merged is live else merged
            merged[name] = value
    return merged


def _merge_lists(atom: ListType, live: Any, config: Any) -> Any:
    if not (live and isinstance(live, list)):
        return config
    if not config:
        return live
    lefts = [item_element(atom, item) for item in live]
    rights = [item_element(atom, item) for item in config]
    kind = item_type(atom)
    if lefts == rights:
        return _kept(live, [merge(kind, item, applied) for item, applied in zip(live, config, strict=True)])
    counts = Counter(lefts)
    # an item whose key is there twice is merged as if it were null
    present = {key: item if counts[key] == 1 else None for key, item in zip(lefts, live, strict=True)}
    applied = dict(zip(rights, config, strict=True))
    merged = [
        live[index] if index is not None else merge(kind, present.get(key, ABSENT), applied[key])
        for index, key in _interleave(lefts, rights)
    ]
    return _kept(live, merged)


def _kept(live: list[Any], merged: list[Any]) -> list[Any]:
    """``live`` itself when nothing in it changed."""
    return live if len(merged) == len(live) and all(map(is_, merged, live)) else merged


def _interleave(lefts: list[str], rights: list[str]) -> Iterator[tuple[int | None, str]]:
    """The order of the merged list: (index in the live list, key) of what is only there, (None, key) of the applied.

    What both have stands in the order of the apply, and what only the live list has stays near its neighbours.
    """
    known, applied = set(lefts), set(rights)
    shared = deque(key for key in rights if key in known)
    left = right = 0
    while left < len(lefts) or right < len(rights):
        key = lefts[left] if left < len(lefts) else None
        if key is not None and key not in applied:
            yield left, key
            left += 1
        elif right == len(rights):
            left += 1  # the apply has placed it already
        elif key is not None and key != rights[right] and shared and shared[0] != key:
            left += 1  # it comes where the apply has it
        else:
            if key is not None and (key == rights[right] or key not in shared):
                left += 1
            yield None, rights[right]
            if shared and shared[0] == rights[right]:
                shared.popleft()
            right += 1
