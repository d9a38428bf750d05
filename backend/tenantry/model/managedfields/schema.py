"""A CRD's structural schema as structured-merge-diff sees it: what is one value, and what is merged piece by piece.

A port of kube-openapi's ``schemaconv`` for structural schemas without ``$ref`` and embedded resources.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final


class Scalar(StrEnum):
    """A type whose values are leaves."""

    NUMERIC = "numeric"
    STRING = "string"
    BOOLEAN = "boolean"
    UNTYPED = "untyped"


@dataclass(eq=False, slots=True)
class ListType:
    """A list: one value when ``atomic``, else a set of scalars, or of maps told apart by their ``keys``."""

    element: Type | None
    atomic: bool = True
    keys: tuple[str, ...] = ()

    def default(self, key: str) -> Any:
        """What an item without ``key`` has there, or None."""
        items = self.element.map if isinstance(self.element, AnyType) else self.element
        return items.defaults.get(key) if isinstance(items, MapType) else None


@dataclass(eq=False, slots=True)
class MapType:
    """An object or a map: one value when ``atomic``, else ``fields`` with types of their own and ``element`` beside."""

    fields: dict[str, Type]
    element: Type | None = None  # of what is not in ``fields``; None: nothing else is declared
    atomic: bool = False
    defaults: dict[str, Any] = field(default_factory=dict)

    def child(self, name: str) -> Type | None:
        """The type of the field or key ``name``, or None when it is not declared."""
        return self.fields.get(name, self.element)


@dataclass(eq=False, slots=True)
class AnyType:
    """What a field without a declared type holds: a scalar, or a list or map of these."""

    list: ListType
    map: MapType


Atom = Scalar | ListType | MapType
Type = Atom | AnyType


def atom_of(kind: Type, value: Any) -> Atom:
    """How ``value`` is treated under ``kind``; null, which may be anything, is treated as a map."""
    if not isinstance(kind, AnyType):
        return kind
    if value is None or isinstance(value, dict):
        return kind.map
    return kind.list if isinstance(value, list) else Scalar.UNTYPED


def _untyped() -> AnyType:
    found = AnyType(ListType(None), MapType({}, atomic=True))
    found.list.element = found.map.element = found
    return found


def _deduced(untyped: AnyType) -> AnyType:
    found = AnyType(ListType(untyped), MapType({}))
    found.map.element = found
    return found


#: Below an undeclared value of an atomic list: anything, and all of it one value.
UNTYPED: Final = _untyped()
#: Where a schema preserves unknown fields: maps are merged key by key, lists are one value.
DEDUCED: Final = _deduced(UNTYPED)


_OWNER_REFERENCE = MapType(
    {
        **dict.fromkeys(("apiVersion", "kind", "name", "uid"), Scalar.STRING),
        **dict.fromkeys(("controller", "blockOwnerDeletion"), Scalar.BOOLEAN),
    },
    atomic=True,
)
#: ``metav1.ObjectMeta``.
_OBJECT_META = MapType(
    {
        **dict.fromkeys(
            ("name", "generateName", "namespace", "selfLink", "uid", "resourceVersion"),
            Scalar.STRING,
        ),
        **dict.fromkeys(("generation", "deletionGracePeriodSeconds"), Scalar.NUMERIC),
        **dict.fromkeys(("creationTimestamp", "deletionTimestamp"), Scalar.UNTYPED),
        **dict.fromkeys(("labels", "annotations"), MapType({}, Scalar.STRING)),
        "finalizers": ListType(Scalar.STRING, atomic=False),
        "ownerReferences": ListType(_OWNER_REFERENCE, atomic=False, keys=("uid",)),
        "managedFields": ListType(UNTYPED),
    }
)


@dataclass(frozen=True, eq=False, slots=True)
class ObjectType:
    """One kind in one version, as server-side apply sees it."""

    api_version: str
    kind: str
    type: MapType


def compile_schema(api_version: str, kind: str, schema: Mapping[str, Any]) -> ObjectType:
    """The object type of a custom resource; ``schema`` is its CRD's ``openAPIV3Schema``."""
    preserve = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    root = _convert_map(schema, preserve=preserve)
    root.fields.update(apiVersion=Scalar.STRING, kind=Scalar.STRING, metadata=_OBJECT_META)
    return ObjectType(api_version, kind, root)


def _convert(schema: Mapping[str, Any], *, preserve: bool) -> Type:
    # x-kubernetes-preserve-unknown-fields holds for everything below, too
    preserve = preserve or bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    match schema.get("type", ""):
        case "object":
            return _convert_map(schema, preserve=preserve)
        case "array":
            return _convert_list(schema, preserve=preserve)
        case "integer" | "number":
            return Scalar.NUMERIC
        case "boolean":
            return Scalar.BOOLEAN
        case "string":
            return Scalar.STRING if schema.get("format", "") in ("", "byte") else Scalar.UNTYPED
    return AnyType(_convert_list(schema, preserve=preserve), _convert_map(schema, preserve=preserve))


def _convert_map(schema: Mapping[str, Any], *, preserve: bool) -> MapType:
    properties: Mapping[str, Any] = schema.get("properties", {})
    additional = schema.get("additionalProperties")
    element: Type | None
    if isinstance(additional, Mapping):
        element = _convert(additional, preserve=preserve)
    else:
        element = DEDUCED if additional or (additional is None and (preserve or not properties)) else None
    return MapType(
        {name: _convert(member, preserve=preserve) for name, member in properties.items()},
        element,
        atomic=schema.get("x-kubernetes-map-type") == "atomic",
        defaults={name: member["default"] for name, member in properties.items() if "default" in member},
    )


def _convert_list(schema: Mapping[str, Any], *, preserve: bool) -> ListType:
    items = schema.get("items")
    return ListType(
        UNTYPED if items is None else _convert(items, preserve=preserve),
        atomic=schema.get("x-kubernetes-list-type", "atomic") == "atomic",
        keys=tuple(schema.get("x-kubernetes-list-map-keys", ())),
    )
