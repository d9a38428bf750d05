"""One-time links: what a person who cannot sign in yet, or no more, is given to prove who they are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tenantry.model.credentials import Prefix

#: what the token of a link begins with
LINK_PREFIX = Prefix.LINK


class Purpose(StrEnum):
    """What a link lets its bearer do, once."""

    SETUP = "setup"  # become the first administrator of an empty database
    PASSWORD = "password"  # noqa: S105 - set a new password; the second factor stays
    RECOVERY = "recovery"  # the same, and the second factor goes, with all else that lets somebody act as them
    REGISTRATION = "registration"  # make an account with the address to which it was mailed
    ADDRESS = "address"  # tell that one's address is one's own, signed in
    SIGN_IN = "sign-in"  # the password was right: go on with the second factor. It is a cookie, and no link at all
    SIGN_IN_ELSEWHERE = "sign-in-elsewhere"  # the same, an identity provider having said who it is


#: how long a link works, in seconds
LIFETIMES = {
    Purpose.SETUP: 15 * 60,
    Purpose.PASSWORD: 10 * 60,  # ASVS 6.5.5
    Purpose.RECOVERY: 15 * 60,
    Purpose.REGISTRATION: 3600,
    Purpose.ADDRESS: 3600,
    Purpose.SIGN_IN: 10 * 60,
    Purpose.SIGN_IN_ELSEWHERE: 10 * 60,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A stored link; a user has one for each purpose. The secret is kept only as its SHA-256."""

    purpose: Purpose
    user_id: str  # empty for SETUP; for REGISTRATION what stands for the address
    email: str = ""  # for REGISTRATION
    auth_time: int = 0  # for SIGN_IN_ELSEWHERE: when that was, in epoch microseconds; 0: nobody knows
    id: str
    secret_sha: str  # hex
    created_at: int  # epoch microseconds, as all below
    expires_at: int
    used_at: int = 0  # 0: not used
