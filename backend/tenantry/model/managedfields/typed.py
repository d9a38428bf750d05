"""Values under their types: which items a list has, what is wrong with a value, and which fields it sets.

Ports of structured-merge-diff's ``listItemToPathElement``, ``Validate`` and ``ToFieldSet``.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from tenantry.model.managedfields.fieldset import FieldSet
from tenantry.model.managedfields.paths import display, keyed, valued
from tenantry.model.managedfields.schema import UNTYPED, ListType, MapType, Scalar, Type, atom_of
from tenantry.model.quoting import quote_json

#: What a value can stand for beside JSON: there is no such field. Null is a value.
ABSENT: Any = object()

Path = tuple[str, ...]


def item_element(atom: ListType, item: Any) -> str:
    """The path element of an item of a list that is no single value.

    Raises:
        ValueError: the item cannot be told apart from others.
    """
    if not atom.keys:
        return _set_element(item)
    if len(atom.keys) == 1 and isinstance(item, dict) and isinstance(value := item.get(atom.keys[0]), str):
        return f"k:{{{quote_json(atom.keys[0])}:{quote_json(value)}}}"  # as keyed() does it, for nearly all lists
    if item is None:
        raise ValueError("associative list with keys may not have a null element")
    if not isinstance(item, dict):
        raise ValueError("associative list with keys may not have non-map elements")  # noqa: TRY004 - a document's fault
    fields = []
    for key in atom.keys:
        value = item.get(key, ABSENT)
        if value is ABSENT:
            value = atom.default(key)
            if value is None:
                continue
        fields.append((key, value))
    if not fields:
        names = " ".join(f'"{key}"' for key in atom.keys)
        raise ValueError(
            f"associative list with keys has an element that omits all key fields [{names}] "
            "(and doesn't have default values for any key fields)"
        )
    return keyed(fields)


def _set_element(item: Any) -> str:
    if isinstance(item, dict):
        raise ValueError("associative list without keys has an element that's a map type")  # noqa: TRY004 - see above
    if isinstance(item, list):
        raise ValueError("not supported: associative list with lists as elements")  # noqa: TRY004 - see above
    if item is None:
        raise ValueError("associative list without keys has an element that's an explicit null")
    return valued(item)


def field_set(kind: Type, value: Any) -> FieldSet:
    """Every leaf that ``value`` sets, every item of its lists and every key of its maps.

    A declared field that holds a map or a list is not in the set itself, only what is in it.
    """
    found = FieldSet()
    _collect(kind, value, found)
    return found


def _collect(kind: Type, value: Any, into: FieldSet) -> bool:
    """Put what lies below ``value`` into ``into``; whether ``value`` itself is a leaf."""
    atom = atom_of(kind, value)
    if isinstance(atom, MapType):
        if atom.atomic:
            return True
        if isinstance(value, dict):
            _collect_map(atom, value, into)
        return False
    if isinstance(atom, ListType):
        if atom.atomic:
            return True
        if isinstance(value, list):
            _collect_list(atom, value, into)
        return False
    return True


def _collect_map(atom: MapType, value: dict[str, Any], into: FieldSet) -> None:
    fields, members = atom.fields, into.members
    for name, below in value.items():
        element = f"f:{name}"
        kind = fields.get(name)
        if kind is None:
            kind = atom.element or UNTYPED
            members.add(element)
        elif isinstance(kind, Scalar):
            members.add(element)
            continue
        child = FieldSet()
        if _collect(kind, below, child) or below is None or below == {}:
            members.add(element)
        if child:
            into.children[element] = child


def _collect_list(atom: ListType, value: list[Any], into: FieldSet) -> None:
    elements = [item_element(atom, item) for item in value]
    into.members.update(elements)
    counts = Counter(elements)
    for element, item in zip(elements, value, strict=True):
        # items that cannot be told apart are one thing
        if isinstance(item, dict | list) and counts[element] == 1:
            child = FieldSet()
            _collect(item_type(atom), item, child)
            if child:
                into.children[element] = child


def child_type(atom: MapType, name: str) -> Type:
    """The type of a field; what an older schema has left behind is one value, whatever it is."""
    return atom.fields.get(name) or atom.element or UNTYPED


def item_type(atom: ListType) -> Type:
    """The type of a list's items."""
    return atom.element or UNTYPED


def validate(kind: Type, value: Any) -> list[str]:
    """What is wrong with ``value``, one sentence each, in structured-merge-diff's words (``.spec.x: expected ...``)."""
    problems: list[tuple[Path, str]] = []
    _validate(kind, value, (), problems)
    return [f"{''.join(map(display, path))}: {problem}" if path else problem for path, problem in problems]


def _validate(kind: Type, value: Any, path: Path, problems: list[tuple[Path, str]]) -> None:
    if value is None:
        return
    atom = atom_of(kind, value)
    if isinstance(atom, Scalar):
        if (problem := _scalar_problem(atom, value)) is not None:
            problems.append((path, problem))
    elif isinstance(atom, MapType):
        if isinstance(value, dict):
            _validate_map(atom, value, path, problems)
        else:
            problems.append((path, f"expected map, got &{{{_go(value)}}}"))
    elif isinstance(value, list):
        _validate_list(atom, value, path, problems)
    else:
        problems.append((path, f"expected list, got &{{{_go(value)}}}"))


def _validate_map(atom: MapType, value: dict[str, Any], path: Path, problems: list[tuple[Path, str]]) -> None:
    for name, below in value.items():
        child = atom.fields.get(name, atom.element)
        if child is Scalar.STRING and isinstance(below, str):  # most of what there is
            continue
        if child is None:
            problems.append(((*path, f"f:{name}"), "field not declared in schema"))
        else:
            _validate(child, below, (*path, f"f:{name}"), problems)


def _validate_list(atom: ListType, value: list[Any], path: Path, problems: list[tuple[Path, str]]) -> None:
    seen = set()
    for index, item in enumerate(value):
        element = f"i:{index}"
        if not atom.atomic:
            try:
                element = item_element(atom, item)
            except ValueError as error:
                problems.append((path, f"element {index}: {error}"))
                return
            if element in seen:
                problems.append((path, f"duplicate entries for key {display(element)}"))
            seen.add(element)
        if atom.element is not None:
            _validate(atom.element, item, (*path, element), problems)


def _scalar_problem(atom: Scalar, value: Any) -> str | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if atom is Scalar.NUMERIC and not is_number:
        names = {str: "string", bool: "bool", list: "[]interface {}", dict: "map[string]interface {}"}
        return f"expected numeric (int or float), got {names[type(value)]}"
    if atom is Scalar.STRING and not isinstance(value, str):
        return f"expected string, got &value.valueUnstructured{{Value:{_go(value)}}}"
    if atom is Scalar.BOOLEAN and not isinstance(value, bool):
        return f"expected boolean, got &{{{_go(value)}}}"
    if atom is Scalar.UNTYPED and isinstance(value, dict | list):
        return f"expected any scalar, got &{{{_go(value)}}}"
    return None


def _go(value: Any) -> str:
    """``value`` as Go's ``%v`` prints it."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case dict():
            return f"map[{' '.join(f'{name}:{_go(item)}' for name, item in sorted(value.items()))}]"
        case list():
            return f"[{' '.join(map(_go, value))}]"
    return str(value)
