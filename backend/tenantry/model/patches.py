"""JSON merge patch (RFC 7386) and JSON patch (RFC 6902), as kube-apiserver applies them.

It uses evanphx/json-patch v4, whose habits clients have come to rely on: negative indices count from the end, replacing
an absent member adds it, copying an absent one adds null, and a merge patch leaves no null in what it adds.
Documents are JSON trees; none is changed, and what a merge patch does not touch is shared with the result.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

from tenantry.model.errors import Code, TenantryError
from tenantry.model.jsontree import depth_of, equal, values_of
from tenantry.model.limits import MAX_BYTES, MAX_DEPTH, MAX_OPERATIONS, MAX_VALUES

Document = dict[str, Any]

_ABSENT: Any = object()
_TOO_DEEP = f"the result is nested more than {MAX_DEPTH} deep"


def merge_patch(document: Document, patch: Any) -> Document:
    """``document`` after the merge patch ``patch``.

    Raises:
        TenantryError: ``BAD_REQUEST`` when the patch is no object.
    """
    if patch is None:
        raise TenantryError(Code.BAD_REQUEST, "Invalid JSON Patch")
    if not isinstance(patch, dict):
        raise _malformed(patch, "value of type map[string]interface {}")
    return _merged(document, patch)


def _merged(document: Document, patch: Document) -> Document:
    merged = document
    for name, value in patch.items():
        present = document.get(name, _ABSENT)
        if value is None:
            if present is not _ABSENT:
                merged = dict(document) if merged is document else merged
                del merged[name]
            continue
        if isinstance(present, dict):
            wanted = _merged(present, value) if isinstance(value, dict) else value
        else:
            wanted = _without_nulls(value)
        if wanted is not present:
            merged = dict(document) if merged is document else merged
            merged[name] = wanted
    return merged


def _without_nulls(value: Any) -> Any:
    """``value`` without null members; nulls in arrays stay."""
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return list(map(_without_nulls, value)) if isinstance(value, list) else value


def json_patch(document: Document, operations: Any) -> Document:
    """What the JSON patch ``operations`` makes of ``document``.

    Raises:
        TenantryError: ``BAD_REQUEST`` for a malformed patch, ``TOO_LARGE`` for one of more than 10,000 operations,
            ``INVALID`` when an operation does not apply, a test fails, it copies more than 1.5 MiB or 65,536 values in
            all, or nests more than 64 deep.
    """
    patched = _Patched(orjson.loads(orjson.dumps(document)))
    for operation in _decoded(operations):
        kind = operation.get("op") or "unknown"
        if kind not in _OPERATIONS:
            raise _refused(f"Unexpected kind: {kind}")
        try:
            _OPERATIONS[kind](patched, operation)
        except (LookupError, ValueError) as error:
            raise _refused(f"{kind} operation does not apply: {error}") from None
    if not isinstance(patched.root, dict):
        raise _refused("the result is no object")
    if depth_of(patched.root) > MAX_DEPTH:
        raise _refused(_TOO_DEEP)
    return patched.root


def _decoded(operations: Any) -> list[Document]:
    if operations is None:
        return []
    if not isinstance(operations, list):
        raise _malformed(operations, "value of type []handlers.jsonPatchOp")
    decoded = [{} if operation is None else operation for operation in operations]
    for operation in decoded:
        if not isinstance(operation, dict):
            raise _malformed(operation, "value of type handlers.jsonPatchOp")
        for member in ("op", "path", "from"):
            if not isinstance(operation.get(member), str | None):
                raise _malformed(operation[member], f"struct field jsonPatchOp.{member} of type string")
    if len(operations) > MAX_OPERATIONS:
        raise TenantryError(
            Code.TOO_LARGE,
            "Request entity too large: The allowed maximum operations in a JSON patch is "
            f"{MAX_OPERATIONS}, got {len(operations)}",
        )
    return decoded


def _refused(reason: str) -> TenantryError:
    return TenantryError(Code.INVALID, f"the server rejected our request due to an error in our request: {reason}")


def _malformed(value: Any, wanted: str) -> TenantryError:
    names = {bool: "bool", str: "string", list: "array", dict: "object"}
    found = names.get(type(value), "number")
    return TenantryError(Code.BAD_REQUEST, f"error decoding patch: json: cannot unmarshal {found} into Go {wanted}")


class _Patched:
    """A document while a JSON patch changes it."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self._copied = self._values = 0  # bytes and values: each copy may double the document

    def add(self, operation: Document) -> None:
        _add(*self._place(_pointer(operation, "path")), _copy_of(operation.get("value")))

    def remove(self, operation: Document) -> None:
        _remove(*self._place(_pointer(operation, "path")))

    def replace(self, operation: Document) -> None:
        path, value = _pointer(operation, "path"), _copy_of(operation.get("value"))
        if not path:
            if not isinstance(value, dict | list):
                raise ValueError("value must be object or array")
            self.root = value
            return
        container, key = self._place(path)
        if isinstance(container, list):
            container[_index(key, len(container))] = value
        else:
            container[key] = value

    def move(self, operation: Document) -> None:
        container, key = self._place(_pointer(operation, "from"))
        value = _get(container, key)
        _remove(container, key)
        _add(*self._place(_pointer(operation, "path")), value)

    def copy(self, operation: Document) -> None:
        value = _get(*self._place(_pointer(operation, "from")))
        if depth_of(value) > MAX_DEPTH:
            raise ValueError(_TOO_DEEP)
        text = orjson.dumps(value)
        self._copied += len(text)
        if self._copied > MAX_BYTES:
            raise _refused(
                f"Unable to complete the copy, the accumulated size increase of copy is {self._copied}, "
                f"exceeding the limit {MAX_BYTES}"
            )
        self._values += values_of(value)
        if self._values > MAX_VALUES:
            raise _refused(f"Unable to complete the copy, it would copy more than {MAX_VALUES} values in all")
        _add(*self._place(_pointer(operation, "path")), orjson.loads(text))

    def test(self, operation: Document) -> None:
        path = _pointer(operation, "path")
        found = _get(*self._place(path)) if path else self.root
        if ("value" not in operation and found is not None) or not equal(found, operation.get("value")):
            raise ValueError(f"testing value {path} failed: test failed")

    def _place(self, path: str) -> tuple[Any, str]:
        """The container that ``path`` points into, and the key in it; what stands before the first ``/`` is ignored."""
        first, *tokens = path.split("/")
        if not tokens:
            raise LookupError(f'doc is missing path: "{first}"')
        found = self.root
        for token in tokens[:-1]:
            found = _get(found, _unescape(token))
            if not isinstance(found, dict | list):
                raise LookupError(f'doc is missing path: "{path}"')  # noqa: TRY004 - a document's fault, not a caller's
        return found, _unescape(tokens[-1])


_OPERATIONS: dict[str, Callable[[_Patched, Document], None]] = {
    "add": _Patched.add,
    "remove": _Patched.remove,
    "replace": _Patched.replace,
    "move": _Patched.move,
    "copy": _Patched.copy,
    "test": _Patched.test,
}


def _copy_of(value: Any) -> Any:
    """``value`` for a document that later operations change: the same patch may be applied again."""
    return orjson.loads(orjson.dumps(value)) if isinstance(value, dict | list) else value


def _pointer(operation: Document, member: str) -> str:
    pointer = operation.get(member)
    if pointer is None:
        raise ValueError(f"missing {member} field")
    return str(pointer)


def _unescape(token: str) -> str:
    return token.replace("~1", "/").replace("~0", "~")


def _index(key: str, size: int) -> int:
    """The place that ``key`` means in a list of ``size`` places; negative ones count from the end."""
    if not re.fullmatch("[+-]?[0-9]+", key):
        raise ValueError(f"value was not a proper array index: '{key}'")
    index = int(key)
    if not -size <= index < size:
        raise LookupError(f"Unable to access invalid index: {index}")
    return index + size if index < 0 else index


def _get(container: Any, key: str) -> Any:
    return container[_index(key, len(container))] if isinstance(container, list) else container.get(key)


def _add(container: Any, key: str, value: Any) -> None:
    if not isinstance(container, list):
        container[key] = value
    elif key == "-":
        container.append(value)
    else:
        container.insert(_index(key, len(container) + 1), value)


def _remove(container: Any, key: str) -> None:
    if isinstance(container, list):
        del container[_index(key, len(container))]
    elif key in container:
        del container[key]
    else:
        raise LookupError(f"Unable to remove nonexistent key: {key}")
