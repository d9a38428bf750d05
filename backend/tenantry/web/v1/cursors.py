"""Cursors: where the next page of a list begins, opaque to clients.

A cursor reveals and permits nothing, so it carries no signature; a checksum over the list that it belongs to refuses
one that was made up, cut off, or taken from another list or filter.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

import orjson

from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError

_CHECK = 8  # bytes


def encode(scope: str, key: str) -> str:
    """The cursor of the page that begins after ``key`` in the list that ``scope`` names."""
    payload = orjson.dumps(key)
    return base64.urlsafe_b64encode(_check(scope, payload) + payload).decode().rstrip("=")


def decode(scope: str, cursor: str) -> str:
    """The key in a cursor of that list.

    Raises:
        TenantryError: ``BAD_REQUEST``, it is none.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        check, payload = raw[:_CHECK], raw[_CHECK:]
        if hmac.compare_digest(check, _check(scope, payload)):
            return str(orjson.loads(payload))
    except (ValueError, binascii.Error):
        pass
    message = "the cursor is not of this list with these parameters: take `next` of the page before, or begin again"
    raise TenantryError(Code.BAD_REQUEST, message, [FieldError("cursor", FieldCode.INVALID, message)])


def _check(scope: str, payload: bytes) -> bytes:
    return hashlib.blake2b(scope.encode(errors="replace") + b"\0" + payload, digest_size=_CHECK).digest()
