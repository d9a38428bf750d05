"""``metadata``: its shape (apimachinery ``ObjectMeta``) and the rules on names, labels, annotations and finalizers.

The rules and their wording follow ``k8s.io/apimachinery/pkg/api/validation/objectmeta.go``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from tenantry.model import names
from tenantry.model.errors import FieldCode, FieldError
from tenantry.model.fields import Model

ANNOTATIONS_SIZE = 256 * 1024  # bytes of all keys and values together (TotalAnnotationSizeLimitB)

_SUBDOMAIN_MESSAGE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_MESSAGE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_QUALIFIED_MESSAGE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_SLASHES_MESSAGE = (
    "a qualified name must consist of alphanumeric characters, '-', '_' or '.', with an optional DNS subdomain "
    "prefix and '/' (e.g. 'example.com/MyName')"
)
_VALUE_MESSAGE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_SUBDOMAIN = re.compile(names.DNS_SUBDOMAIN[1:-1])
_LABEL = re.compile(names.DNS_LABEL[1:-1])
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")


class OwnerReference(Model):
    """An object that this one belongs to (``metav1.OwnerReference``)."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ManagedFieldsEntry(Model):
    """The fields one manager has set (``metav1.ManagedFieldsEntry``)."""

    manager: str | None = None
    operation: str | None = None
    api_version: str | None = None
    time: str | None = None
    fields_type: str | None = None
    fields_v1: Annotated[dict[str, Any] | None, Field(alias="fieldsV1")] = None
    subresource: str | None = None


class ObjectMeta(Model):
    """``metadata`` as clients send it; what the server owns is accepted and ignored (``metav1.ObjectMeta``)."""

    name: str | None = None
    generate_name: str | None = None
    namespace: str | None = None
    self_link: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    generation: int | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None
    finalizers: list[str] | None = None
    managed_fields: list[ManagedFieldsEntry] | None = None


def check(meta: ObjectMeta, *, namespaced: bool, owner: str = "metadata") -> list[FieldError]:
    """The errors in ``meta`` beyond its types."""
    return list(_errors(meta, namespaced, owner))


def _errors(meta: ObjectMeta, namespaced: bool, at: str) -> Iterator[FieldError]:  # noqa: FBT001 - private
    if not meta.name:
        yield FieldError(f"{at}.name", FieldCode.REQUIRED, "Required value: name or generateName is required")
    else:
        yield from _invalid(f"{at}.name", meta.name, check_name(meta.name))
    if namespaced and meta.namespace:
        yield from _invalid(f"{at}.namespace", meta.namespace, check_namespace(meta.namespace))
    if meta.namespace and not namespaced:
        yield FieldError(f"{at}.namespace", FieldCode.FORBIDDEN, "Forbidden: not allowed on this type")
    for key, value in (meta.labels or {}).items():
        yield from _invalid(f"{at}.labels", key, check_qualified_name(key))
        yield from _invalid(f"{at}.labels", value, check_label_value(value))
    yield from _annotation_errors(meta.annotations or {}, f"{at}.annotations")
    for index, finalizer in enumerate(meta.finalizers or ()):
        path = f"{at}.finalizers[{index}]"
        problems = check_qualified_name(finalizer)
        yield from _invalid(path, finalizer, problems)
        if not problems and "/" not in finalizer:
            message = "name is neither a standard finalizer name nor is it fully qualified"
            yield from _invalid(path, finalizer, [message])
    for index, reference in enumerate(meta.owner_references or ()):
        path = f"{at}.ownerReferences[{index}]"
        for name, value in (
            ("apiVersion", reference.api_version),
            ("kind", reference.kind),
            ("name", reference.name),
            ("uid", reference.uid),
        ):
            if not value:
                yield FieldError(f"{path}.{name}", FieldCode.INVALID, f'Invalid value: "": {name} must not be empty')


def _annotation_errors(annotations: dict[str, str], path: str) -> Iterator[FieldError]:
    for key in annotations:
        yield from _invalid(path, key, check_qualified_name(key.lower()))
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > ANNOTATIONS_SIZE:
        yield FieldError(path, FieldCode.TOO_LONG, f"Too long: may not be more than {ANNOTATIONS_SIZE} bytes")


def _invalid(path: str, value: str, problems: list[str]) -> Iterator[FieldError]:
    for problem in problems:
        yield FieldError(path, FieldCode.INVALID, f'Invalid value: "{value[:200]}": {problem}')


def check_name(name: str) -> list[str]:
    """What is wrong with an object's name (IsDNS1123Subdomain)."""
    problems = ["must be no more than 253 characters"] if len(name) > 253 else []  # noqa: PLR2004 - RFC 1123
    return problems if _SUBDOMAIN.fullmatch(name) else [*problems, _SUBDOMAIN_MESSAGE]


def check_namespace(name: str) -> list[str]:
    """What is wrong with a namespace's name (IsDNS1123Label)."""
    problems = ["must be no more than 63 characters"] if len(name) > 63 else []  # noqa: PLR2004 - RFC 1123
    return problems if _LABEL.fullmatch(name) else [*problems, _LABEL_MESSAGE]


def check_qualified_name(key: str) -> list[str]:
    """What is wrong with the key of a label or annotation, or with a finalizer (IsQualifiedName)."""
    prefix, slash, name = key.rpartition("/")
    problems = []
    if "/" in prefix:
        return [_SLASHES_MESSAGE]
    if slash and not prefix:
        problems.append("prefix part must be non-empty")
    elif slash:
        problems += [f"prefix part {problem}" for problem in check_name(prefix)]
    if not name:
        problems.append("name part must be non-empty")
    elif len(name) > 63:  # noqa: PLR2004 - LabelValueMaxLength
        problems.append("name part must be no more than 63 characters")
    return problems if _QUALIFIED.fullmatch(name) else [*problems, _QUALIFIED_MESSAGE]


def check_label_value(value: str) -> list[str]:
    """What is wrong with the value of a label (IsValidLabelValue)."""
    problems = ["must be no more than 63 characters"] if len(value) > 63 else []  # noqa: PLR2004 - LabelValueMaxLength
    return problems if _VALUE.fullmatch(value) else [*problems, _VALUE_MESSAGE]
