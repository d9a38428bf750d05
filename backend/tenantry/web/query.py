"""Query parameters, converted as kube-apiserver converts them."""

from __future__ import annotations

from collections.abc import Mapping

from tenantry.model.errors import Code, TenantryError
from tenantry.model.quoting import encode_json

Parameters = Mapping[str, str]


def flag(parameters: Parameters, name: str) -> bool | None:
    """A boolean as Kubernetes converts one: anything but false and 0 is true."""
    value = parameters.get(name)
    return None if value is None else value.lower() not in {"false", "0"}


def number(parameters: Parameters, name: str) -> int | None:
    """A whole number."""
    text = parameters.get(name, "")
    if not text:
        return None
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):  # noqa: PLR2004 - below 2^63
        raise TenantryError(Code.BAD_REQUEST, f"{name} must be a whole number, and is {encode_json(text[:64])}")
    return int(text)
