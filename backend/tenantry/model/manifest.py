"""``parse``: the one entry point from a document to a valid resource, or to what is wrong with it.

It does to a document what kube-apiserver does with our CRD: unknown fields are pruned (and named), nulls that a field
does not allow are dropped, defaults are set, the shape and the cross-field rules are checked.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tenantry.model import metadata, rules
from tenantry.model.errors import FieldCode, FieldError
from tenantry.model.fields import Model
from tenantry.model.kinds import BY_NAME, Kind
from tenantry.model.metadata import ObjectMeta
from tenantry.model.resource import API_VERSION

M = TypeVar("M", bound=Model)
Document = dict[str, Any]
_PARTS = ("apiVersion", "kind", "metadata", "spec", "status")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A valid document: ``spec`` is pruned and defaulted, ``typed`` is the same as a model."""

    kind: Kind
    metadata: ObjectMeta
    spec: Document
    typed: Model
    unknown: tuple[str, ...] = ()  # paths that were pruned


def parse(document: Any, *, old: Model | None = None) -> Manifest | list[FieldError]:
    """The manifest that ``document`` is, or every error in it.

    Args:
        document: the parsed JSON or YAML; it is not changed.
        old: the spec it replaces, for the rules on what may not change.

    Unknown fields are no error here: they are pruned and named in ``Manifest.unknown``, because whether they matter is
    the caller's choice (Kubernetes' ``fieldValidation``).
    """
    kind = kind_of(document)
    if isinstance(kind, FieldError):
        return [kind]
    unknown = [part for part in document if part not in _PARTS]
    meta, pruned, errors = _read(ObjectMeta, document.get("metadata") or {}, ("metadata",))
    unknown += pruned
    if meta is not None:
        errors += metadata.check(meta, namespaced=kind.namespaced)
        errors += _check_own_name(kind, meta.name or "")
    if document.get("spec") is None:
        return [*errors, FieldError("spec", FieldCode.REQUIRED, "Required value")]
    typed, pruned, spec_errors = _read(kind.spec, document["spec"], ("spec",))
    if typed is None or meta is None or errors:
        return errors + spec_errors
    errors = rules.check(typed, old)
    if errors:
        return errors
    spec = typed.model_dump(by_alias=True, exclude_none=True)
    return Manifest(kind, meta, spec, typed, (*unknown, *pruned))


def parse_status(kind: Kind, status: Any) -> Document | list[FieldError]:
    """The pruned status of an object of ``kind``, or every error in it."""
    typed, _, errors = _read(kind.status, status, ("status",))
    return errors if typed is None else typed.model_dump(by_alias=True, exclude_none=True)


def kind_of(document: Any) -> Kind | FieldError:
    """The kind that ``document`` says it is, or why it is none of ours."""
    if not isinstance(document, dict):
        return FieldError("", FieldCode.TYPE_INVALID, "must be an object with apiVersion, kind, metadata and spec")
    if document.get("apiVersion") != API_VERSION:
        return FieldError(
            "apiVersion", FieldCode.NOT_SUPPORTED, _unsupported(document.get("apiVersion"), (API_VERSION,))
        )
    name = document.get("kind")
    if not isinstance(name, str) or name not in BY_NAME:
        return FieldError("kind", FieldCode.NOT_SUPPORTED, _unsupported(name, tuple(BY_NAME)))
    return BY_NAME[name]


def _check_own_name(kind: Kind, name: str) -> list[FieldError]:
    if not name or not kind.name_rule:
        return []
    path = kind.name_rule.path
    if len(name) > kind.name_length:
        return [FieldError(path, FieldCode.TOO_LONG, f"Too long: may not be more than {kind.name_length} bytes")]
    if not re.fullmatch(kind.name_pattern[1:-1], name):
        message = f"{_shown(name)}: {path} in body should match '{kind.name_pattern}'"
        return [FieldError(path, FieldCode.INVALID, f"Invalid value: {message}")]
    if not kind.name_rule.holds(name):
        return [FieldError(path, FieldCode.INVALID, f"Invalid value: {kind.name_rule.message}")]
    return []


def _read(model: type[M], tree: Any, at: tuple[str, ...]) -> tuple[M | None, list[str], list[FieldError]]:
    """The typed tree, the pruned paths and the errors; valid input takes the first line only."""
    try:
        return model.model_validate(tree), [], []
    except ValidationError as error:
        first = error.errors(include_url=False)
    tree = copy.deepcopy(tree)
    unknown = [details["loc"] for details in first if details["type"] == "extra_forbidden"]
    for location in unknown:
        _remove(tree, location)
    for details in first:
        if details["input"] is None:
            _remove(tree, details["loc"])
    pruned = [_path(at + location) for location in unknown]
    try:
        return model.model_validate(tree), pruned, []
    except ValidationError as error:
        return None, pruned, [_to_field_error(details, at) for details in error.errors(include_url=False)]


def _remove(tree: Any, location: tuple[int | str, ...]) -> None:
    """Take out what stands at ``location``, unless it is an item of a list."""
    for step in location[:-1]:
        tree = tree[step]
    if location and isinstance(tree, dict):
        tree.pop(location[-1], None)


def _path(location: tuple[int | str, ...]) -> str:
    text = ""
    for step in location:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


_TYPES = {
    "string_type": "string",
    "int_type": "integer",
    "int_from_float": "integer",
    "bool_type": "boolean",
    "list_type": "array",
    "dict_type": "object",
    "model_type": "object",
    "int_or_string_type": "integer,string",
}
#: pydantic's error types whose FieldCode is not INVALID
_CODES = {
    "missing": FieldCode.REQUIRED,
    "literal_error": FieldCode.NOT_SUPPORTED,
    "string_too_long": FieldCode.TOO_LONG,
    "too_long": FieldCode.TOO_MANY,
    "duplicate": FieldCode.DUPLICATE,
    **dict.fromkeys(_TYPES, FieldCode.TYPE_INVALID),
}


def _to_field_error(details: ErrorDetails, at: tuple[str, ...]) -> FieldError:
    """One pydantic error with the code and in the words that kube-apiserver has for it."""
    path, kind, value, context = _path(at + details["loc"]), details["type"], details["input"], details.get("ctx", {})
    code = _CODES.get(kind, FieldCode.INVALID)
    match kind:
        case "missing":
            message = "Required value"
        case "literal_error":
            message = _unsupported(value, tuple(re.findall(r"'([^']*)'", context["expected"])))
        case "string_too_long":
            message = f"Too long: may not be more than {context['max_length']} bytes"
        case "too_long":
            message = f"Too many: {context['actual_length']}: must have at most {context['max_length']} items"
        case "duplicate":
            path, message = f"{path}[{context['index']}]", f"Duplicate value: {context['value']}"
        case _ if kind in _TYPES:
            found = _type_name(value)
            message = f'Invalid value: "{found}": {path} in body must be of type {_TYPES[kind]}: "{found}"'
        case _:
            message = f"Invalid value: {_shown(value)}: {path} in body {_complaint(details)}"
    return FieldError(path, code, message)


def _complaint(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    match details["type"]:
        case "string_pattern_mismatch":
            return f"should match '{context['pattern']}'"
        case "string_too_short":
            return f"should be at least {context['min_length']} chars long"
        case "greater_than_equal":
            return f"should be greater than or equal to {context['ge']}"
        case "less_than_equal":
            return f"should be less than or equal to {context['le']}"
        case _:
            return details["msg"][:1].lower() + details["msg"][1:]


def _type_name(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _unsupported(value: Any, expected: tuple[str, ...]) -> str:
    return f"Unsupported value: {_shown(value)}: supported values: " + ", ".join(f'"{name}"' for name in expected)


def _shown(value: Any) -> str:
    """The value as an error may show it: JSON, at most 200 characters."""
    if isinstance(value, dict | list):
        return f'"{_type_name(value)}"'
    try:
        return orjson.dumps(value).decode()[:200]
    except TypeError:  # an integer beyond 64 bits
        return str(value)[:200]
