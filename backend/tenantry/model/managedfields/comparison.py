"""What a write changed: the fields it wrote and the fields it removed.

A port of structured-merge-diff's ``Compare``; its Added and Modified are one set here, because nobody asks which.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tenantry.model.jsontree import equal
from tenantry.model.managedfields.fieldset import FieldSet
from tenantry.model.managedfields.schema import ListType, MapType, Scalar, Type, atom_of
from tenantry.model.managedfields.typed import child_type, item_element, item_type


@dataclass(slots=True)
class Changes:
    """The fields that an object has anew or otherwise than before, and those that it no longer has."""

    written: FieldSet = field(default_factory=FieldSet)
    removed: FieldSet = field(default_factory=FieldSet)

    def keep(self, element: str, below: Changes) -> None:
        """Hang ``below`` under ``element``, as far as there is anything in it."""
        if below.written:
            self.written.children[element] = below.written
        if below.removed:
            self.removed.children[element] = below.removed


def compare(kind: Type, old: dict[str, Any], new: dict[str, Any]) -> Changes:
    """The changes from ``old`` to ``new``.

    Raises:
        ValueError: an item of a list has no key.
    """
    changes = Changes()
    if not equal(old, new):
        _compare(kind, old, new, changes)
    return changes


def _compare(kind: Type, old: Any, new: Any, changes: Changes) -> bool:
    """Put the changes below two present values that differ into ``changes``; whether they are leaves."""
    atoms = {id(atom): atom for atom in (atom_of(kind, old), atom_of(kind, new))}
    leaf = False
    for atom in atoms.values():
        if isinstance(atom, MapType):
            before, after = (value if isinstance(value, dict) else {} for value in (old, new))
            if atom.atomic or not (before or after):
                leaf = True
            else:
                _compare_maps(atom, before, after, changes)
        elif isinstance(atom, ListType):
            first, second = (value if isinstance(value, list) else [] for value in (old, new))
            if atom.atomic or not (first or second):
                leaf = True
            else:
                _compare_lists(atom, first, second, changes)
        else:
            leaf = True
    return leaf


def _compare_maps(atom: MapType, old: dict[str, Any], new: dict[str, Any], changes: Changes) -> None:
    for name, before in old.items():
        if name not in new:
            _take_all(child_type(atom, name), before, f"f:{name}", changes.removed)
        else:
            _compare_under(child_type(atom, name), before, new[name], f"f:{name}", changes)
    for name, after in new.items():
        if name not in old:
            _take_all(child_type(atom, name), after, f"f:{name}", changes.written)


def _compare_lists(atom: ListType, old: list[Any], new: list[Any], changes: Changes) -> None:
    before, after = _by_element(atom, old), _by_element(atom, new)
    for element in before | after:
        lefts, rights = before.get(element, []), after.get(element, [])
        # several items under one key are compared as a whole, and known by their key alone
        if len(lefts) > 1 and len(rights) > 1:
            if not equal(lefts, rights):
                changes.written.members.add(element)
        elif len(lefts) > 1:
            for item in rights:
                _take_all(item_type(atom), item, element, changes.written)
            changes.removed.members.add(element)
        elif len(rights) > 1:
            for item in lefts:
                _take_all(item_type(atom), item, element, changes.removed)
            changes.written.members.add(element)
        elif not lefts:
            _take_all(item_type(atom), rights[0], element, changes.written)
        elif not rights:
            _take_all(item_type(atom), lefts[0], element, changes.removed)
        else:
            _compare_under(item_type(atom), lefts[0], rights[0], element, changes)


def _by_element(atom: ListType, items: list[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for item in items:
        found.setdefault(item_element(atom, item), []).append(item)
    return found


def _compare_under(kind: Type, old: Any, new: Any, element: str, changes: Changes) -> None:
    if equal(old, new):
        return
    below = Changes()
    if _compare(kind, old, new, below):
        changes.written.members.add(element)
    changes.keep(element, below)


def _take_all(kind: Type, value: Any, element: str, into: FieldSet) -> None:
    """Put ``element`` and everything below its ``value`` into ``into``: all of it came, or all of it went."""
    into.members.add(element)
    atom = atom_of(kind, value)
    if isinstance(atom, Scalar) or atom.atomic or not value:
        return
    below = FieldSet()
    if isinstance(atom, MapType) and isinstance(value, dict):
        for name, item in value.items():
            _take_all(child_type(atom, name), item, f"f:{name}", below)
    elif isinstance(atom, ListType) and isinstance(value, list):
        for key, items in _by_element(atom, value).items():
            if len(items) > 1:
                below.members.add(key)
            else:
                _take_all(item_type(atom), items[0], key, below)
    if below:
        into.children[element] = below
