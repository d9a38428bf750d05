"""Browsers that have signed in to an account before: a storm of attempts from elsewhere does not slow them down.

What names such a browser is no credential: it spares a wait. It is bound to the account's password hash, so that the
server needs no key for it and no table, and a new password makes every browser a stranger.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from tenantry.model.identity import User


def name_device(user: User) -> str:
    """A name for a browser that has just signed in."""
    nonce = secrets.token_hex(8)
    return f"{nonce}.{_mac(user, nonce)}"


def known_device(user: User, device: str) -> str:
    """The part of ``device`` that tells it from others, if it is a name that ``user`` has given; else nothing."""
    nonce, _, mac = device.partition(".")
    if not user.password_hash:
        return ""
    return nonce if hmac.compare_digest(_mac(user, nonce).encode(), mac.encode(errors="replace")) else ""


def _mac(user: User, nonce: str) -> str:
    text = f"device {user.id} {nonce}"
    return hmac.new(user.password_hash.encode(), text.encode(errors="replace"), hashlib.sha256).hexdigest()
