"""Path elements as FieldsV1 writes them, in one canonical spelling each, so that a text is an identity.

``f:name`` is a field, ``k:{"name":"x"}`` an item of a list with keys, ``v:"x"`` an item of a set, ``i:0`` an index.
The spelling is that of structured-merge-diff's ``fieldpath`` (keys sorted, compact, escaped by Go's rules).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from tenantry.model.quoting import encode_json, quote, quote_json


def keyed(fields: Iterable[tuple[str, Any]]) -> str:
    """The element of a list item with these key fields."""
    return "k:{" + ",".join([f"{quote_json(name)}:{encode_json(value)}" for name, value in sorted(fields)]) + "}"


def valued(value: Any) -> str:
    """The element of ``value`` in a set."""
    return "v:" + encode_json(value)


def canonical(text: str) -> str | None:
    """The canonical spelling of an element that a client wrote; None for a kind of element that nobody knows.

    Raises:
        ValueError: it is no path element.
    """
    kind, rest = text[:2], text[2:]
    match kind:
        case "f:":
            return text
        case "k:":
            fields = orjson.loads(rest)
            if not isinstance(fields, dict):
                raise ValueError(f"not an object: {text}")  # noqa: TRY004 - a document's fault, not a caller's
            return keyed(fields.items())
        case "v:":
            return valued(orjson.loads(rest))
        case "i:":
            return f"i:{int(rest)}"
    if len(kind) < len("f:") or kind[1] != ":":
        raise ValueError(f"missing colon: {text}")
    return None


def display(element: str) -> str:
    """The element as messages show it: ``.name``, ``[name="x"]``, ``[="x"]`` or ``[0]``."""
    kind, rest = element[:2], element[2:]
    match kind:
        case "f:":
            return "." + rest
        case "k:":
            return "[" + ",".join(f"{name}={_shown(value)}" for name, value in orjson.loads(rest).items()) + "]"
        case "v:":
            return f"[={_shown(orjson.loads(rest))}]"
    return f"[{rest}]"


def order(element: str) -> tuple[Any, ...]:
    """The place of an element among its siblings: fields, keyed items, values, indices."""
    kind, rest = element[:2], element[2:]
    match kind:
        case "f:":
            return (0, rest)
        case "k:":
            return (1, [(name, _rank(value)) for name, value in orjson.loads(rest).items()])
        case "v:":
            return (2, _rank(orjson.loads(rest)))
    return (3, int(rest))


def _shown(value: Any) -> str:
    return quote(value) if isinstance(value, str) else encode_json(value)


def _rank(value: Any) -> tuple[int, Any]:
    """Numbers, then texts, then booleans, then the rest: structured-merge-diff's ``value.Compare``."""
    if isinstance(value, bool):
        return (2, value)
    if isinstance(value, int | float):
        return (0, value)
    return (1, value) if isinstance(value, str) else (3, encode_json(value))
