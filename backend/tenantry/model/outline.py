"""A kind's schema as people read it: field by field, with its type and limits in words.

For ``tenantry explain`` and the reference pages; whatever checks documents reads the schema itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tenantry.model import names, schema
from tenantry.model.kinds import Kind
from tenantry.model.objectmeta import ObjectMeta
from tenantry.model.schema import Schema

_PATTERNS = {
    names.DATE_TIME: "a time as in RFC 3339: `2026-12-01T06:00:00Z`",
    names.DURATION: "a duration: `720h`, `1h30m`",
    names.QUANTITY: "a Kubernetes quantity: `500m`, `8Gi`",
    names.PERCENT: "a percentage: `10%`",
    names.DNS_LABEL: "a DNS label",
    names.DNS_SUBDOMAIN: "a DNS subdomain",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    ``path`` is from the document's top, with ``[]`` for the entries of a list and ``{}`` for those of a map; ``notes``
    are its limits, each a few words without a full stop.
    """

    path: str
    name: str
    type: str
    required: bool
    description: str
    notes: tuple[str, ...]
    fields: tuple[Field, ...]

    def walk(self) -> Iterator[Field]:
        """Every field below this one, depth first."""
        for field in self.fields:
            yield field
            yield from field.walk()


def outline(kind: Kind) -> Field:
    """The whole document of ``kind``; its own path and name are empty."""
    document = schema.document(kind)
    metadata = schema.structural(ObjectMeta)
    if kind.name_schema:
        name = metadata["properties"]["name"] | kind.name_schema
        metadata = metadata | {"properties": metadata["properties"] | {"name": name}}
    parts = document["properties"] | {"metadata": document["properties"]["metadata"] | metadata}
    return _field("", "", document | {"properties": parts}, required=True)


def find(kind: Kind, path: str) -> Field | None:
    """The field at ``path`` (``spec.namespaces.name``; ``[]`` and ``{}`` may be left out), None when there is none."""
    found = outline(kind)
    for name in filter(None, path.replace("[]", "").replace("{}", "").split(".")):
        below = next((field for field in found.fields if field.name == name), None)
        if below is None:
            return None
        found = below
    return found


def _field(path: str, name: str, node: Schema, *, required: bool) -> Field:
    content, below = node, path
    while inner := _entries(content):
        below += "[]" if "items" in content else "{}"
        content = inner
    needed = content.get("required", ())
    return Field(
        path=path,
        name=name,
        type=_type(node),
        required=required,
        description=node.get("description") or content.get("description", ""),
        notes=tuple(_notes(node)),
        fields=tuple(
            _field(f"{below}.{key}".removeprefix("."), key, child, required=key in needed)
            for key, child in content.get("properties", {}).items()
        ),
    )


def _entries(node: Schema) -> Schema | None:
    """The schema of a list's or a map's entries."""
    found = node.get("items") or node.get("additionalProperties")
    return found if isinstance(found, dict) else None


def _type(node: Schema) -> str:
    if node.get("x-kubernetes-int-or-string"):
        return "integer or string"
    entries = _entries(node)
    if entries:
        return f"{'list' if 'items' in node else 'map'} of {_type(entries)}"
    if node.get("x-kubernetes-preserve-unknown-fields") and "properties" not in node:
        return "any object" if node.get("type") == "object" else "any value"
    return str(node["type"])


def _notes(node: Schema) -> Iterator[str]:
    if "enum" in node:
        yield "one of " + ", ".join(f"`{value}`" for value in node["enum"])
    if node.get("default") not in (None, ""):
        yield f"default `{_text(node['default'])}`"
    yield from _bounds(node, "minimum", "maximum", "")
    yield from _bounds(node, "minLength", "maxLength", " character")
    yield from _bounds(node, "minItems", "maxItems", " entry")
    yield from _bounds(node, "minProperties", "maxProperties", " entry")
    if node.get("x-kubernetes-list-type") == "map":
        yield f"entries are known by `{'`, `'.join(node['x-kubernetes-list-map-keys'])}`"
    if "pattern" in node:
        yield _PATTERNS.get(node["pattern"]) or f"matches `{node['pattern']}`"
    yield from (f'refused with "{rule["message"]}"' for rule in node.get("x-kubernetes-validations", ()))
    entries = _entries(node)
    if entries and (notes := "; ".join(_notes(entries))):
        yield f"each: {notes}"


def _bounds(node: Schema, lower: str, upper: str, unit: str) -> Iterator[str]:
    least, most = node.get(lower), node.get(upper)
    if least is not None and most is not None:
        yield f"{least} to {_count(most, unit)}"
    elif least is not None:
        yield f"at least {_count(least, unit)}"
    elif most is not None:
        yield f"at most {_count(most, unit)}"


def _count(number: int, unit: str) -> str:
    plural = {" entry": " entries", "": ""}.get(unit, f"{unit}s")
    return f"{number}{unit if number == 1 else plural}"


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_text(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)
