"""Go's string literals, because Kubernetes puts them into messages (``%q``) and into FieldsV1 keys (JSON)."""

from __future__ import annotations

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
