"""Go's spelling of values, against what Go prints."""

from __future__ import annotations

from typing import Any

import pytest

from tenantry.model.quoting import encode_json, quote


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("", '""'),
        ("plain text", '"plain text"'),
        ('a"b\\c', r'"a\"b\\c"'),
        ("\a\b\f\n\r\t\v", r'"\a\b\f\n\r\t\v"'),
        ("\x00\x1b\x7f", r'"\x00\x1b\x7f"'),
        ("é<&>😀", '"é<&>😀"'),
        ("\u200b\u2028", r'"\u200b\u2028"'),
        ("\U000e0001", r'"\U000e0001"'),
    ],
)
def test_a_text_is_quoted_as_by_strconv(text: str, quoted: str) -> None:
    assert quote(text) == quoted


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (1, "1"),
        (1.0, "1"),
        (1e21, "1e+21"),
        (0.000001, "0.000001"),
        (2**70, "1180591620717411303424"),
        ('<a href="x">&\u2028\b', r'"\u003ca href=\"x\"\u003e\u0026\u2028\u0008"'),
        ({"b": [1, "é"], "a": {}}, '{"a":{},"b":[1,"é"]}'),
    ],
)
def test_a_value_is_encoded_as_by_encoding_json(value: Any, text: str) -> None:
    assert encode_json(value) == text
