"""Second factors: an authenticator app, and the codes for the day when it is lost."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

#: how long an app waits for its first code, in microseconds
ENROLMENT_LIFE_US = 10 * 60 * 1_000_000
#: how many recovery codes there are, and of how many characters each: 140 bit, so that a plain hash does (ASVS 6.5.2)
RECOVERY_CODES = 10
_LENGTH, _GROUP = 28, 4
_ALPHABET = "23456789abcdefghijkmnpqrstuvwxyz"  # 32, and none that look alike


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """A user's authenticator app. Until it is confirmed with a first code it does not count."""

    user_id: str
    secret: str  # encrypted
    session_id: str = ""  # in which it was begun with, and alone may be confirmed
    created_at: int  # epoch microseconds, as below
    confirmed_at: int = 0  # 0: not yet
    last_step: int = 0  # the time step whose code was used last

    def waits_for(self, session_id: str, now: int) -> bool:
        """Whether it may be confirmed in that session at ``now``, in epoch microseconds."""
        is_theirs = bool(session_id) and session_id == self.session_id
        return is_theirs and not self.confirmed_at and now < self.created_at + ENROLMENT_LIFE_US


def new_recovery_code() -> str:
    """A fresh code, in groups of four for people."""
    code = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    return "-".join(code[start : start + _GROUP] for start in range(0, _LENGTH, _GROUP))


def hash_recovery_code(code: str) -> str:
    """SHA-256 in hex of a code as people type it: with or without its dashes, in any case."""
    typed = "".join(letter for letter in code.lower() if letter.isalnum())
    return hashlib.sha256(typed.encode(errors="replace")).hexdigest()
