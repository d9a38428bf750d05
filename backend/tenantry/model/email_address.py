"""E-mail addresses as we keep them."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError

#: what an ``input type=email`` of HTML takes, with a dot in the domain: no comments, no quoted parts, ASCII
_ADDRESS = re.compile(
    r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
    r"(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+"
)
#: what begins an encoded word (RFC 2047, 2), which mail reads as another address
_ENCODED = "=?"
_MOST = 254  # characters (RFC 5321, 4.5.3.1.3)
_WRONG = "must be an e-mail address such as ada@example.com"


def normalise(text: str) -> str:
    """``text`` as addresses are compared: without space around it, in lower case."""
    return text.strip().lower()


def check(text: str, field: str = "email") -> str:
    """The normalised address that ``text`` is.

    Raises:
        TenantryError: ``INVALID`` at ``field``.
    """
    if _is_address(text):
        return normalise(text)
    wrong = FieldError(field, FieldCode.INVALID, f"Invalid value: {_WRONG}")
    raise TenantryError(Code.INVALID, "the e-mail address is not valid", [wrong])


def _is_address(text: str) -> bool:
    address = normalise(text)
    return bool(text.isascii() and len(address) <= _MOST and _ADDRESS.fullmatch(address) and _ENCODED not in address)


def _read(text: str) -> str:
    if _is_address(text):
        return text
    raise PydanticCustomError("email_address", _WRONG)


#: one of them, as a field of a model
EmailAddress = Annotated[str, Field(max_length=_MOST), AfterValidator(_read)]
