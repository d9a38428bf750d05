"""E-mail addresses as we keep them."""

from __future__ import annotations

import re

from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError

#: what an ``input type=email`` of HTML takes, with a dot in the domain: no comments, no quoted parts, ASCII
_ADDRESS = re.compile(
    r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
    r"(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+"
)
#: what begins an encoded word (RFC 2047, 2), which mail reads as another address
_ENCODED = "=?"
_MOST = 254  # characters (RFC 5321, 4.5.3.1.3)


def normalise(text: str) -> str:
    """``text`` as addresses are compared: without space around it, in lower case."""
    return text.strip().lower()


def check(text: str, field: str = "email") -> str:
    """The normalised address that ``text`` is.

    Raises:
        TenantryError: ``INVALID`` at ``field``.
    """
    address = normalise(text)
    if text.isascii() and len(address) <= _MOST and _ADDRESS.fullmatch(address) and _ENCODED not in address:
        return address
    message = "Invalid value: must be an e-mail address such as ada@example.com"
    raise TenantryError(
        Code.INVALID, "the e-mail address is not valid", [FieldError(field, FieldCode.INVALID, message)]
    )
