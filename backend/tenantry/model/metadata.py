"""``metadata``: read as Go does, and checked by the rules on names, labels, annotations, finalizers and owners.

The rules and their wording follow ``k8s.io/apimachinery/pkg/api/validation/objectmeta.go``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from tenantry.model import fielderrors, labels, names, schema, shape
from tenantry.model.errors import FieldCode, FieldError
from tenantry.model.objectmeta import ObjectMeta, OwnerReference

ANNOTATIONS_SIZE = 256 * 1024  # bytes of all keys and values together (TotalAnnotationSizeLimitB)


def read(tree: Any) -> tuple[ObjectMeta | None, list[str], list[FieldError]]:
    """The metadata in ``tree``, the paths of unknown fields, and what cannot be read, all of it TYPE_INVALID.

    Nulls and missing parts are zero values, as Go's JSON decoder has it.
    """
    try:
        return ObjectMeta.model_validate({} if tree is None else tree), [], []
    except ValidationError:
        shape_of_it = schema.structural(ObjectMeta)
    conformed, unknown = shape.conform(shape_of_it, _without_nulls(tree), "metadata")
    errors = shape.check(shape_of_it, conformed, "metadata")
    if errors:
        # what stands in the place of something else is wrong as a whole, and nothing in it is unknown
        wrong = tuple(f"{error.path}." for error in errors)
        unknown = [path for path in unknown if not path.startswith(wrong)]
        return None, unknown, [FieldError(error.path, FieldCode.TYPE_INVALID, error.message) for error in errors]
    return ObjectMeta.model_validate(conformed), unknown, []


def _without_nulls(tree: Any) -> Any:
    """``tree`` with zero values for the nulls that stand in lists and in maps of texts."""
    if not isinstance(tree, dict):
        return tree
    zeros: dict[str, Any] = {
        "labels": "",
        "annotations": "",
        "finalizers": "",
        "ownerReferences": {},
        "managedFields": {},
    }
    return {name: _filled(value, zeros[name]) if name in zeros else value for name, value in tree.items()}


def _filled(value: Any, zero: Any) -> Any:
    if isinstance(value, dict):
        return {key: zero if item is None else item for key, item in value.items()}
    if isinstance(value, list):
        return [zero if item is None else item for item in value]
    return value


def check(meta: ObjectMeta, *, namespaced: bool) -> list[FieldError]:
    """The errors in ``meta`` beyond its types; a namespace means nothing on a kind without, and no harm."""
    return list(_errors(meta, namespaced))


def _errors(meta: ObjectMeta, namespaced: bool) -> Iterator[FieldError]:  # noqa: FBT001 - private
    yield from _name_errors(meta)
    if namespaced and meta.namespace:
        yield from _invalid("metadata.namespace", meta.namespace, names.check_dns_label(meta.namespace))
    for key, value in (meta.labels or {}).items():
        yield from _invalid("metadata.labels", key, labels.check_key(key))
        yield from _invalid("metadata.labels", value, labels.check_value(value))
    yield from _annotation_errors(meta.annotations or {})
    yield from _owner_errors(meta.owner_references or [])
    yield from _finalizer_errors(meta.finalizers or [])


def _name_errors(meta: ObjectMeta) -> Iterator[FieldError]:
    if meta.generate_name:
        # what follows may begin a label after a trailing hyphen (maskTrailingDash)
        base = f"{meta.generate_name[:-1]}a" if meta.generate_name[1:].endswith("-") else meta.generate_name
        yield from _invalid("metadata.generateName", meta.generate_name, names.check_subdomain(base))
    name = meta.future_name()
    if name:
        yield from _invalid("metadata.name", name, names.check_subdomain(name))
    else:
        yield fielderrors.required("metadata.name", "name or generateName is required")


def _annotation_errors(annotations: dict[str, str]) -> Iterator[FieldError]:
    path = "metadata.annotations"
    for key in annotations:
        yield from _invalid(path, key, labels.check_key(key.lower()))
    if sum(len(text.encode(errors="replace")) for item in annotations.items() for text in item) > ANNOTATIONS_SIZE:
        yield fielderrors.too_long(path, ANNOTATIONS_SIZE)


def _owner_errors(references: list[OwnerReference]) -> Iterator[FieldError]:
    path, controllers = "metadata.ownerReferences", []
    for reference in references:
        group, _, version = reference.api_version.rpartition("/")
        if not version or "/" in group:
            yield fielderrors.invalid(f"{path}.apiVersion", reference.api_version, "version must not be empty")
        for part in ("kind", "name", "uid"):
            if not getattr(reference, part):
                yield fielderrors.invalid(f"{path}.{part}", "", "must not be empty")
        if (reference.api_version, reference.kind) == ("v1", "Event"):
            tree = reference.model_dump(by_alias=True, exclude_none=True)
            yield fielderrors.invalid(path, tree, "/v1, Kind=Event is disallowed from being an owner")
        if reference.controller:
            controllers.append(f"{reference.kind}/{reference.name}")
    for further in controllers[1:]:
        trees = [reference.model_dump(by_alias=True, exclude_none=True) for reference in references]
        found = f'Found "true" in references for {controllers[0]} and {further}'
        yield fielderrors.invalid(path, trees, f"Only one reference can have Controller set to true. {found}")


def _finalizer_errors(finalizers: list[str]) -> Iterator[FieldError]:
    path = "metadata.finalizers"
    for finalizer in finalizers:
        yield from _invalid(path, finalizer, labels.check_key(finalizer))
    if {"orphan", "foregroundDeletion"} <= set(finalizers):
        detail = "finalizer orphan and foregroundDeletion cannot be both set"
        yield fielderrors.invalid(path, finalizers, detail)


def _invalid(path: str, value: str, problems: list[str]) -> Iterator[FieldError]:
    for problem in problems:
        yield fielderrors.invalid(path, value, problem)
