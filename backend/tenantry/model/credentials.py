"""Opaque credentials: ``prefix_id_secret_crc`` in base62, looked up by id; only a hash of the secret is kept."""

from __future__ import annotations

import binascii
import hashlib
import re
import secrets
from enum import StrEnum


class Prefix(StrEnum):
    """What each kind of credential begins with; there is no other kind."""

    KEY = "tnk"
    SESSION = "tns"
    LINK = "tnl"
    INVITE = "tni"
    CLIENT_SECRET = "tnc"  # noqa: S105 - what one begins with
    CODE = "tno"
    REFRESH = "tnr"
    DEVICE = "tnd"


_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LENGTH = 16
SECRET_LENGTH = 43  # 256 bit
CRC_LENGTH = 6

#: what a text may hold of a credential: an API key, with or without its checksum, a webhook's secret, and a
#: ServiceAccount token, whose first part is taken whole also where no other follows, so that no part of a text is
#: looked at again and again
_KEY = re.compile(rf"([a-z]{{2,4}}_[0-9A-Za-z]{{{ID_LENGTH}}}_)[0-9A-Za-z]{{8,}}(?:_[0-9A-Za-z]*)?")
_WEBHOOK = re.compile(r"\bwhsec_[0-9A-Za-z+/=_-]+")
_JWT = re.compile(r"\b(eyJ[\w-]{5,}+)(\.[\w-]++\.[\w-]*)?")


def redact(text: str) -> str:
    """``text`` without the secret part of credentials: what is kept or logged of a request goes through here."""
    text = _WEBHOOK.sub("whsec_***", _KEY.sub(r"\1***", text))
    return _JWT.sub(lambda match: f"{match[1]}.***" if match[2] else match[0], text)


def new_token(prefix: Prefix = Prefix.KEY) -> tuple[str, str, str]:
    """A fresh credential as ``(token, id, sha256 of the secret in hex)``; the token is never stored."""
    identifier, secret = (_base62(secrets.randbelow(62**length), length) for length in (ID_LENGTH, SECRET_LENGTH))
    body = f"{prefix}_{identifier}_{secret}"
    return f"{body}_{_crc(body)}", identifier, hash_secret(secret)


def split_token(token: str, prefix: Prefix = Prefix.KEY) -> tuple[str, str] | None:
    """``(id, sha256 of the secret)`` of a well-formed token, else None; a mistyped one is refused without a query."""
    parts = token.split("_")
    if len(parts) != 4 or parts[0] != prefix or not token.isascii():  # noqa: PLR2004 - prefix, id, secret, crc
        return None
    _, identifier, secret, crc = parts
    if (len(identifier), len(secret)) != (ID_LENGTH, SECRET_LENGTH) or crc != _crc(token.rpartition("_")[0]):
        return None
    return identifier, hash_secret(secret)


def hash_secret(secret: str) -> str:
    """SHA-256 in hex; enough for a 256-bit random secret, which no dictionary holds."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _crc(body: str) -> str:
    return _base62(binascii.crc32(body.encode()), CRC_LENGTH)


def _base62(number: int, length: int) -> str:
    """The last digits of ``number``, the first of which are zeros where it has fewer."""
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits
