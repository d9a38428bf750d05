"""``parse``: the one entry point from a document to a valid resource, or to what is wrong with it.

It does to a document what kube-apiserver does with our CRD: unknown fields are pruned (and named), nulls that a field
does not allow are dropped, defaults are set, the shape and the cross-field rules are checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from tenantry.model import fielderrors, metadata, rules, schema, shape
from tenantry.model.errors import FieldCode, FieldError
from tenantry.model.fields import Model
from tenantry.model.kinds import BY_NAME, Kind
from tenantry.model.objectmeta import ObjectMeta
from tenantry.model.resource import API_VERSION

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


def parse(document: Any, *, old: Document | None = None) -> Manifest | list[FieldError]:
    """The manifest that ``document`` is, or every error in it that kube-apiserver would name.

    Args:
        document: the parsed JSON or YAML; it is not changed.
        old: the spec it replaces, for the rules on what may not change.

    Unknown fields are no error here: they are pruned and named in ``Manifest.unknown``, because whether they matter is
    the caller's choice (Kubernetes' ``fieldValidation``). Of a document with errors :func:`unknown_fields` names them.
    """
    kind = kind_of(document)
    if isinstance(kind, FieldError):
        return [kind]
    unknown = [part for part in document if part not in _PARTS]
    meta, pruned, errors = metadata.read(document.get("metadata"))
    unknown += pruned
    if meta is not None:
        errors += metadata.check(meta, namespaced=kind.namespaced)
        if kind.name_schema and old is None and (name := meta.future_name()):
            errors += shape.check(kind.name_schema, name, "metadata.name")
    if document.get("spec") is None:
        return [*errors, fielderrors.required("spec")]
    typed, spec, pruned, found = _read(kind.spec, document["spec"], "spec")
    errors += found
    if meta is not None and fielderrors.BLOCKING.isdisjoint(error.code for error in errors):
        errors += _broken_rules(kind, meta.future_name(), spec, old)
    if errors or typed is None or meta is None:
        return errors
    if document.get("status"):
        unknown += shape.conform(schema.structural(kind.status), document["status"], "status")[1]
    return Manifest(kind, meta, spec, typed, (*unknown, *pruned))


def unknown_fields(kind: Kind, document: Document) -> list[str]:
    """The paths of a document's fields that ``kind`` does not have, whatever else is wrong with it."""
    unknown = [part for part in document if part not in _PARTS] + metadata.read(document.get("metadata"))[1]
    for part, model in (("spec", kind.spec), ("status", kind.status)):
        unknown += shape.conform(schema.structural(model), document.get(part), part)[1]
    return unknown


def is_malformed(errors: list[FieldError]) -> bool:
    """Whether kube-apiserver cannot even decode a document with these errors: it answers 400 then, and else 422."""
    return any(
        error.path in {"", "apiVersion", "kind"}
        or (error.path.startswith("metadata") and error.code is FieldCode.TYPE_INVALID)
        for error in errors
    )


def parse_status(kind: Kind, status: Any) -> Document | list[FieldError]:
    """The pruned status of an object of ``kind``, or every error in it."""
    typed, tree, _, errors = _read(kind.status, status, "status")
    return errors if typed is None else tree


def kind_of(document: Any) -> Kind | FieldError:
    """The kind that ``document`` says it is, or why it is none of ours."""
    if not isinstance(document, dict):
        return FieldError("", FieldCode.TYPE_INVALID, "must be an object with apiVersion, kind, metadata and spec")
    if document.get("apiVersion") != API_VERSION:
        return fielderrors.not_supported("apiVersion", document.get("apiVersion"), (API_VERSION,))
    name = document.get("kind")
    if not isinstance(name, str) or name not in BY_NAME:
        return fielderrors.not_supported("kind", name, BY_NAME)
    return BY_NAME[name]


def _broken_rules(kind: Kind, name: str, spec: Document, old: Document | None) -> list[FieldError]:
    broken = rules.check(kind.spec, spec, old)
    if kind.name_rule and not kind.name_rule.holds(name):
        broken.append(fielderrors.broken(kind.name_rule.path, kind.name_rule.message))
    return broken


def _read(model: type[Model], tree: Any, path: str) -> tuple[Model | None, Document, list[str], list[FieldError]]:
    """The typed tree, the tree with defaults, the pruned paths and the errors; valid input takes the first lines only.

    Pydantic decides quickly that a tree is valid; for all others the schema says what Kubernetes makes of it.
    """
    try:
        typed = model.model_validate(tree)
    except ValidationError:
        pass
    else:
        return typed, typed.model_dump(by_alias=True, exclude_none=True), [], []
    structural = schema.structural(model)
    conformed, pruned = shape.conform(structural, tree, path)
    errors = shape.check(structural, conformed, path)
    return None if errors else model.model_validate(conformed), conformed, pruned, errors
