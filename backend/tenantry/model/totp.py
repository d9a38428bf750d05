"""Time-based one-time passwords (RFC 6238) with what every authenticator app takes: SHA-1, 6 digits, 30 seconds.

It is a dozen lines of ``hmac``. A library would add a dependency and leave out what matters: that a step is accepted
once, which only the database can tell.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b32decode, b32encode
from urllib.parse import quote, urlencode

DIGITS = 6
STEP_SECONDS = 30
#: steps before and after now that are accepted too: clocks differ, and people type slowly
DRIFT = 1
_SECRET_BYTES = 20  # as long as the hash (RFC 4226, 4)


def new_secret() -> str:
    """A fresh secret in base32, as apps take it."""
    return b32encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def code_of(secret: str, step: int) -> str:
    """The code of the time step of that number (RFC 4226, 5.3)."""
    digest = hmac.digest(b32decode(secret), step.to_bytes(8, "big"), hashlib.sha1)
    offset = digest[-1] & 0xF
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def step_of(secret: str, code: str, now: float) -> int:
    """The time step around ``now``, in epoch seconds, whose code that is; 0 when it is none of them."""
    current = int(now) // STEP_SECONDS
    for step in range(current - DRIFT, current + DRIFT + 1):
        if hmac.compare_digest(code_of(secret, step).encode(), code.encode(errors="replace")):
            return step
    return 0


def uri(secret: str, account: str, issuer: str) -> str:
    """What the QR code says to an app (the Key URI Format of Google Authenticator)."""
    label = quote(f"{issuer}:{account}")
    return f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': issuer}, quote_via=quote)}"
