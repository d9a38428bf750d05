"""Take fields out of an object: what a manager applied once and does not apply any more.

A port of structured-merge-diff's ``RemoveItems``, ``EnsureNamedFieldsAreMembers`` and the pruning in ``merge.Updater``.
"""

from __future__ import annotations

from typing import Any

from tenantry.model.managedfields.fieldset import FieldSet
from tenantry.model.managedfields.schema import AnyType, ListType, MapType, Type, atom_of
from tenantry.model.managedfields.typed import child_type, field_set, item_element, item_type

_NOTHING = FieldSet()


def prune(kind: Type, merged: Any, last: FieldSet, managed: FieldSet) -> Any:
    """``merged`` without what was in ``last`` and is not in ``managed``, the fields of all managers as they are now.

    What nobody ever applied stays, unless it lies in something that goes.
    """
    last, managed = with_parents(kind, last), with_parents(kind, managed)
    everything = with_parents(kind, field_set(kind, merged))
    kept = with_parents(kind, field_set(kind, remove(kind, merged, last)))
    owned = remove(kind, merged, everything - (kept | managed))
    gone = everything - with_parents(kind, field_set(kind, owned))
    return remove(kind, merged, gone & last)


def with_parents(kind: Type | None, fields: FieldSet) -> FieldSet:
    """``fields`` and every declared field above one of them."""
    map_type = kind.map if isinstance(kind, AnyType) else kind
    list_type = kind.list if isinstance(kind, AnyType) else kind
    members, children = set(fields.members), {}
    for element, child in fields.children.items():
        below = None
        if element.startswith("f:") and isinstance(map_type, MapType):
            below = map_type.child(element[2:])
            if element[2:] in map_type.fields:
                members.add(element)
        elif element.startswith("k:") and isinstance(list_type, ListType):
            below = list_type.element
        children[element] = with_parents(below, child)
    return FieldSet(members, children)


def remove(kind: Type, value: Any, fields: FieldSet) -> Any:
    """``value`` without ``fields``; a map or list that loses everything becomes null, as in Kubernetes."""
    if not fields:
        return value
    atom = atom_of(kind, value)
    if isinstance(atom, MapType):
        return _remove_from_map(atom, value, fields) if isinstance(value, dict) and not atom.atomic else None
    if isinstance(atom, ListType):
        return _remove_from_list(atom, value, fields) if isinstance(value, list) and not atom.atomic else None
    return value


def _remove_from_map(atom: MapType, value: dict[str, Any], fields: FieldSet) -> dict[str, Any] | None:
    kept = {}
    for name, item in value.items():
        element = f"f:{name}"
        if element in fields.members:
            continue
        kept[name] = remove(child_type(atom, name), item, fields.children.get(element, _NOTHING))
    return kept or None


def _remove_from_list(atom: ListType, value: list[Any], fields: FieldSet) -> list[Any] | None:
    kept = []
    for item in value:
        element = item_element(atom, item)
        if element not in fields.members:
            kept.append(remove(item_type(atom), item, fields.children.get(element, _NOTHING)))
    return kept or None
