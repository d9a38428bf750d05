"""Shape: what a structural schema makes of a JSON tree, and what it finds wrong in it, as kube-apiserver does both.

Valid documents never come here, pydantic reads them (``manifest.py``). This is for all others: what is unknown, null or
left out is put right where Kubernetes does so, and every error is named with Kubernetes' paths, codes and words.
Sources: apiextensions-apiserver ``pruning``, ``defaulting``, ``listtype``; kube-openapi ``validation/validate``.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tenantry.model import fielderrors
from tenantry.model.errors import FieldError
from tenantry.model.jsontree import equal

Schema = Mapping[str, Any]
_EMPTY: Schema = {}
#: the largest integer that kube-openapi takes for one when it is written as a float (2^53 - 1)
_EXACT = (1 << 53) - 1
_INT64 = range(-(1 << 63), 1 << 63)


def conform(schema: Schema, tree: Any, path: str) -> tuple[Any, list[str]]:
    """The tree as it is stored, and the sorted paths of the unknown fields in it, which are left out.

    Nulls go where a default takes their place or no value is as good; 1.0 becomes 1 where an integer belongs.
    ``tree`` is not changed; parts that stay as they are may be shared with it.
    """
    unknown: list[str] = []
    return _conform(schema, tree, path, unknown), sorted(unknown)


def _conform(schema: Schema | None, value: Any, path: str, unknown: list[str]) -> Any:
    if isinstance(value, dict):
        return _conform_object(schema, value, path, unknown)
    if isinstance(value, list) and not (schema or _EMPTY).get("x-kubernetes-preserve-unknown-fields"):
        items = (schema or _EMPTY).get("items")
        return [_conform(items, item, f"{path}[{index}]", unknown) for index, item in enumerate(value)]
    if isinstance(value, float) and "integer" in _types(schema or _EMPTY) and _is_integer(value):
        return int(value)
    return value


def _conform_object(schema: Schema | None, value: dict[str, Any], path: str, unknown: list[str]) -> dict[str, Any]:
    schema = schema or _EMPTY
    known, additional = schema.get("properties", _EMPTY), schema.get("additionalProperties")
    conformed = {}
    for name, item in value.items():
        below = known.get(name, additional)
        if below is not None:
            if item is not None:
                conformed[name] = _conform(below, item, f"{path}.{name}", unknown)
        elif schema.get("x-kubernetes-preserve-unknown-fields"):
            conformed[name] = item
        else:
            unknown.append(f"{path}.{name}")
    for name, below in known.items():
        if name not in conformed and "default" in below:
            conformed[name] = _conform(below, copy.deepcopy(below["default"]), path, [])
    return conformed


def check(schema: Schema, tree: Any, path: str) -> list[FieldError]:
    """Every error in a tree that conforms."""
    return [*_errors(schema, tree, path), *_duplicates(schema, tree, path)]


def _errors(schema: Schema, value: Any, path: str) -> Iterator[FieldError]:
    types, found = _types(schema), _type_name(value)
    if types and found not in types and not (found == "number" and "integer" in types and _is_integer(value)):
        yield fielderrors.type_invalid(path, found, ",".join(types))
    if "enum" in schema and not any(equal(value, item) for item in schema["enum"]):
        yield fielderrors.not_supported(path, value, schema["enum"])
    if isinstance(value, str):
        yield from _text_errors(schema, value, path)
    elif isinstance(value, list):
        yield from _list_errors(schema, value, path)
    elif isinstance(value, dict):
        yield from _object_errors(schema, value, path)
    elif found in ("integer", "number"):
        yield from _number_errors(schema, value, path)


def _text_errors(schema: Schema, value: str, path: str) -> Iterator[FieldError]:
    if len(value) > schema.get("maxLength", len(value)):
        yield fielderrors.too_long(path, schema["maxLength"])
    elif len(value) < schema.get("minLength", 0):
        yield fielderrors.invalid(path, value, f"{path} in body should be at least {schema['minLength']} chars long")
    elif not re.fullmatch(schema.get("pattern", ".*"), value, re.DOTALL):
        yield fielderrors.invalid(path, value, f"{path} in body should match '{schema['pattern']}'")


def _number_errors(schema: Schema, value: float, path: str) -> Iterator[FieldError]:
    if value > schema.get("maximum", value):
        detail = f"{path} in body should be less than or equal to {schema['maximum']}"
        yield fielderrors.invalid(path, value, detail)
    if value < schema.get("minimum", value):
        detail = f"{path} in body should be greater than or equal to {schema['minimum']}"
        yield fielderrors.invalid(path, value, detail)


def _list_errors(schema: Schema, items: list[Any], path: str) -> Iterator[FieldError]:
    if len(items) > schema.get("maxItems", len(items)):
        yield fielderrors.too_many(path, len(items), schema["maxItems"])
    if "items" in schema:
        for index, item in enumerate(items):
            yield from _errors(schema["items"], item, f"{path}[{index}]")


def _object_errors(schema: Schema, value: dict[str, Any], path: str) -> Iterator[FieldError]:
    if len(value) > schema.get("maxProperties", len(value)):
        yield fielderrors.too_many(path, len(value), schema["maxProperties"])
    if len(value) < schema.get("minProperties", 0):
        detail = f"{path} in body should have at least {schema['minProperties']} properties"
        yield fielderrors.invalid(path, len(value), detail)
    known, additional = schema.get("properties", _EMPTY), schema.get("additionalProperties", _EMPTY)
    for name, item in value.items():
        yield from _errors(known.get(name, additional), item, f"{path}.{name}")
    for name in schema.get("required", ()):
        if name not in value:
            yield fielderrors.required(f"{path}.{name}")


def _duplicates(schema: Schema, value: Any, path: str) -> Iterator[FieldError]:
    """Entries that stand twice in a list that is a set or a map; here the path of an object's entry has brackets."""
    if isinstance(value, dict):
        known, additional = schema.get("properties", _EMPTY), schema.get("additionalProperties", _EMPTY)
        for name, item in value.items():
            below = f"{path}.{name}" if name in known else f"{path}[{name}]"
            yield from _duplicates(known.get(name, additional), item, below)
    elif isinstance(value, list):
        yield from _repeated(schema, value, path)
        for index, item in enumerate(value):
            yield from _duplicates(schema.get("items", _EMPTY), item, f"{path}[{index}]")


def _repeated(schema: Schema, items: list[Any], path: str) -> Iterator[FieldError]:
    kind = schema.get("x-kubernetes-list-type")
    if kind == "map":
        for index, item in enumerate(items):
            if item is not None and not isinstance(item, dict):
                yield fielderrors.invalid(f"{path}[{index}]", item, "must be an object for an array of list-type map")
                return
        keys = schema["x-kubernetes-list-map-keys"]
        items = [{key: item[key] for key in keys if key in item} if item else {} for item in items]
    if kind in ("map", "set"):
        seen: dict[str, int] = {}
        for index, item in enumerate(items):
            text = json.dumps(item, sort_keys=True)
            seen[text] = seen.get(text, 0) + 1
            if seen[text] == 2:  # noqa: PLR2004 - the second of its sort is told, further ones are not
                yield fielderrors.duplicate(f"{path}[{index}]", item)


def _types(schema: Schema) -> tuple[str, ...]:
    if schema.get("x-kubernetes-int-or-string"):
        return ("integer", "string")
    return (schema["type"],) if "type" in schema else ()


def _type_name(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and value not in _INT64:
        return "number"
    return _TYPE_NAMES[type(value)]


_TYPE_NAMES: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


def _is_integer(value: float) -> bool:
    return abs(value) <= _EXACT and float(value).is_integer()
