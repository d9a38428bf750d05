"""Go's spelling of values, because Kubernetes puts it into messages (``%q``), FieldsV1 keys and annotations (JSON)."""

from __future__ import annotations

from typing import Any

import rfc8785

_NAMED = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}

#: What Go's JSON encoder escapes: quotes, control characters, HTML and the two line separators of JavaScript.
_JSON_ESCAPES = {code: f"\\u{code:04x}" for code in (*range(0x20), *map(ord, "<>&"), 0x2028, 0x2029)} | {
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
    ord('"'): '\\"',
    ord("\\"): "\\\\",
}


def quote(text: str) -> str:
    """``text`` as Go's ``%q`` prints it (``strconv.Quote``)."""
    return '"' + "".join(map(_escape, text)) + '"'


def quote_json(text: str) -> str:
    """``text`` as a JSON string, escaped as ``encoding/json`` does it."""
    return f'"{text.translate(_JSON_ESCAPES)}"'


def encode_json(value: Any) -> str:
    """A JSON value as ``encoding/json`` writes it: compact, keys sorted, numbers as ECMAScript prints them."""
    if isinstance(value, str):
        return quote_json(value)
    if isinstance(value, float):
        return rfc8785.dumps(value).decode()
    if isinstance(value, dict):
        return "{" + ",".join(f"{quote_json(name)}:{encode_json(item)}" for name, item in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(encode_json, value)) + "]"
    return (
        {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else str(value)
    )


def _escape(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    if char.isprintable():
        return char
    if char in _NAMED:
        return _NAMED[char]
    code = ord(char)
    if code < 0x80:  # noqa: PLR2004 - the end of ASCII
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004 - the end of the basic plane
