"""Sets of field paths: a tree whose nodes say which of their elements belong to the set.

A port of structured-merge-diff's ``fieldpath.Set``. A set is built by one owner and never changed afterwards, so the
operations share subtrees, and return the very operand when they change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tenantry.model.managedfields.paths import canonical, order


class FieldSet:
    """The elements of one node that are in the set, and the subtrees below elements, in the set or not.

    No child is ever empty. The root itself is in no set: nobody owns "the object".
    """

    __slots__ = ("children", "members")

    def __init__(self, members: set[str] | None = None, children: dict[str, FieldSet] | None = None) -> None:
        self.members: set[str] = members if members is not None else set()
        self.children: dict[str, FieldSet] = children if children is not None else {}

    def __bool__(self) -> bool:
        return bool(self.members or self.children)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FieldSet) and self.members == other.members and self.children == other.children

    def __hash__(self) -> int:
        raise TypeError("a set of fields is no key")

    def __or__(self, other: FieldSet) -> FieldSet:
        """The paths in either."""
        children = self.children
        for element, theirs in other.children.items():
            mine = self.children.get(element)
            both = theirs if mine is None else mine | theirs
            if both is not mine:
                children = dict(children) if children is self.children else children
                children[element] = both
        if children is self.children and other.members <= self.members:
            return self
        return FieldSet(self.members | other.members, children)

    def __and__(self, other: FieldSet) -> FieldSet:
        """The paths in both."""
        children = {}
        for element, mine in self.children.items():
            theirs = other.children.get(element)
            if theirs is not None and (both := mine & theirs):
                children[element] = both
        return FieldSet(self.members & other.members, children)

    def __sub__(self, other: FieldSet) -> FieldSet:
        """The paths here that are not in ``other``; a path does not take away what lies below it."""
        children = self.children
        for element, theirs in other.children.items():
            mine = self.children.get(element)
            if mine is None or (rest := mine - theirs) is mine:
                continue
            children = dict(children) if children is self.children else children
            if rest:
                children[element] = rest
            else:
                del children[element]
        if children is self.children and self.members.isdisjoint(other.members):
            return self
        return FieldSet(self.members - other.members, children)

    def __le__(self, other: FieldSet) -> bool:
        """Whether every path here is in ``other``."""
        if not self.members <= other.members:
            return False
        for element, child in self.children.items():
            theirs = other.children.get(element)
            if theirs is None or not child <= theirs:
                return False
        return True

    def without(self, elements: frozenset[str]) -> FieldSet:
        """The set without these elements of the root and all that lies below them."""
        if self.members.isdisjoint(elements) and self.children.keys().isdisjoint(elements):
            return self
        kept = {element: child for element, child in self.children.items() if element not in elements}
        return FieldSet(self.members - elements, kept)

    def paths(self, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        """Every path, members before subtrees, in Kubernetes' order."""
        for element in sorted(self.members, key=order):
            yield (*prefix, element)
        for element in sorted(self.children, key=order):
            yield from self.children[element].paths((*prefix, element))

    def has(self, path: tuple[str, ...]) -> bool:
        """Whether ``path`` itself is in the set."""
        node: FieldSet | None = self
        for element in path[:-1]:
            node = node.children.get(element) if node else None
        return node is not None and path[-1] in node.members

    def to_json(self) -> dict[str, Any]:
        """The tree as FieldsV1."""
        fields: dict[str, Any] = {element: child.to_json() for element, child in self.children.items()}
        for element in self.members:
            if element in fields:
                fields[element]["."] = {}
            else:
                fields[element] = {}
        return fields


def parse(fields: Any) -> FieldSet:
    """The set that a FieldsV1 object describes.

    Raises:
        ValueError: it is not one.
    """
    if not isinstance(fields, Mapping):
        raise ValueError("fieldsV1 is a tree of objects")  # noqa: TRY004 - a document's fault, not a caller's
    found = FieldSet()
    for text, below in fields.items():
        if text == ".":  # the parent's membership, read there
            continue
        element = canonical(text)
        if element is None:
            continue
        child = parse(below)
        if child:
            found.children[element] = found.children[element] | child if element in found.children else child
        if not child or "." in below:
            found.members.add(element)
    return found
