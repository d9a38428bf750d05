"""Parameters of OAuth requests, read strictly: each once, in UTF-8, without control characters (RFC 6749, 3.1)."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from aiohttp import web

from tenantry.model.errors import Code, TenantryError

Parameters = dict[str, str]

FORM_BYTES = 64 * 1024
_FORM = "application/x-www-form-urlencoded"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


async def read_form(request: web.Request) -> Parameters:
    """What the body of a POST says; the query of its URL says nothing.

    Raises:
        TenantryError: ``BAD_REQUEST``.
    """
    if request.content_type != _FORM:
        raise TenantryError(Code.BAD_REQUEST, f"the body must be {_FORM}")
    if request.query_string:
        raise TenantryError(Code.BAD_REQUEST, "parameters belong into the body, not into the URL")
    if (request.content_length or 0) > FORM_BYTES:
        raise TenantryError(Code.BAD_REQUEST, f"the body has at most {FORM_BYTES} bytes")
    body = await request.read()
    if len(body) > FORM_BYTES:
        raise TenantryError(Code.BAD_REQUEST, f"the body has at most {FORM_BYTES} bytes")
    return parse(body)


def read_query(request: web.Request) -> Parameters:
    """What the query of the URL says.

    Raises:
        TenantryError: ``BAD_REQUEST``.
    """
    return parse(request.rel_url.raw_query_string.encode(errors="replace"))


def parse(text: bytes) -> Parameters:
    """Parameters in the form that URLs and forms have them; what has no value is left out (RFC 6749, 3.1).

    Raises:
        TenantryError: ``BAD_REQUEST``.
    """
    try:
        pairs = parse_qsl(text.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=64)
    except ValueError:  # UnicodeDecodeError is one
        raise TenantryError(Code.BAD_REQUEST, "the parameters are not URL-encoded UTF-8") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise TenantryError(Code.BAD_REQUEST, "a parameter is given twice")
    if any(_CONTROL.search(part) for pair in pairs for part in pair):
        raise TenantryError(Code.BAD_REQUEST, "a parameter has a control character")
    return {name: value for name, value in found.items() if value}
