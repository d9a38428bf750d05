"""Make a document conform to any structural schema, as kube-apiserver does whenever it decodes a custom resource.

Unknown fields go, nulls go where the schema does not allow them, defaults are filled in, and empty metadata is left
out. What is *wrong* with a document is not asked here. Sources: apiextensions-apiserver's ``pruning``, ``defaulting``
and ``objectmeta``, for structural schemas without embedded resources.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

Document = dict[str, Any]
Schema = Mapping[str, Any]

_TYPE_META = ("apiVersion", "kind")
_OBJECT_META = frozenset(
    {
        "annotations",
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generateName",
        "generation",
        "labels",
        "managedFields",
        "name",
        "namespace",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)
#: A grace period of nothing is a grace period; everything else that is empty is as good as absent.
_MAY_BE_ZERO = frozenset({"deletionGracePeriodSeconds"})


def conform(schema: Schema, document: Document) -> tuple[Document, list[str]]:
    """``document`` as it is stored and served, and the sorted paths of the fields that the schema does not know.

    ``schema`` is the CRD's ``openAPIV3Schema``. Parts that stay as they are may be shared with ``document``.
    """
    unknown: list[str] = []
    known = {name: value for name, value in document.items() if name not in (*_TYPE_META, "metadata")}
    conformed: Document = {name: document[name] for name in _TYPE_META if name in document}
    if "metadata" in document:
        conformed["metadata"] = _metadata(document["metadata"], unknown)
    conformed.update(_object(schema, known, "", unknown))
    return conformed, sorted(unknown)


def fill_defaults(schema: Schema, document: Document) -> Document:
    """``document`` with defaults, as an apply leaves it: its nulls stay, and are for validation to refuse."""
    metadata = {"metadata": _metadata(document["metadata"], [])} if "metadata" in document else {}
    return {**_defaulted(schema, document), **metadata}


def _defaulted(schema: Schema, value: Any) -> Any:
    if isinstance(value, list):
        items = schema.get("items", {})
        return [_defaulted(items, _null(items, "", []) if item is None else item) for item in value]
    if not isinstance(value, dict):
        return value
    properties: Mapping[str, Schema] = schema.get("properties", {})
    additional = schema.get("additionalProperties")
    filled = {}
    for name, item in value.items():
        below = properties.get(name, additional if isinstance(additional, Mapping) else {})
        filled[name] = _defaulted(below, _null(below, "", []) if item is None else item)
    for name, below in properties.items():
        if "default" in below and name not in filled:
            filled[name] = _default(below, "", [])
    return filled


def _metadata(metadata: Any, unknown: list[str]) -> Any:
    if not isinstance(metadata, dict):
        return metadata
    kept = {}
    for name, value in metadata.items():
        if name not in _OBJECT_META:
            unknown.append(f"metadata.{name}")
        elif value or (name in _MAY_BE_ZERO and value is not None):
            kept[name] = value
    for name in ("labels", "annotations"):
        if isinstance(texts := kept.get(name), dict):
            kept[name] = {key: "" if text is None else text for key, text in texts.items()}
    return kept


def _conform(schema: Schema, value: Any, path: str, unknown: list[str]) -> Any:
    if isinstance(value, dict):
        return _object(schema, value, path, unknown)
    items = schema.get("items")
    if isinstance(value, list) and items is not None:
        return [
            _null(items, path, unknown) if item is None else _conform(items, item, f"{path}[{index}]", unknown)
            for index, item in enumerate(value)
        ]
    return value


def _null(schema: Schema, path: str, unknown: list[str]) -> Any:
    """What stands for a null: itself where it is allowed, else the default, if there is one."""
    return _default(schema, path, unknown) if "default" in schema and not schema.get("nullable") else None


def _default(schema: Schema, path: str, unknown: list[str]) -> Any:
    return _conform(schema, orjson.loads(orjson.dumps(schema["default"])), path, unknown)


def _object(schema: Schema, value: Document, path: str, unknown: list[str]) -> Document:
    properties: Mapping[str, Schema] = schema.get("properties", {})
    additional = schema.get("additionalProperties")
    prefix = f"{path}." if path else ""
    kept: Document = {}
    for name, item in value.items():
        below = properties.get(name)
        if below is None and isinstance(additional, Mapping):
            below = additional
        if below is None:
            if schema.get("x-kubernetes-preserve-unknown-fields"):
                kept[name] = item
            else:
                unknown.append(prefix + name)
        elif item is not None:
            kept[name] = _conform(below, item, prefix + name, unknown) if isinstance(item, dict | list) else item
        elif below.get("nullable") or "default" in below:
            kept[name] = _null(below, prefix + name, unknown)
    for name, below in properties.items():
        if "default" in below and name not in kept:
            kept[name] = _default(below, prefix + name, unknown)
    return kept
