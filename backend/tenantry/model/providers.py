"""Signing in elsewhere: identity providers, who somebody is there, and sign-ins that are under way."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

#: part of URLs
NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
#: a host name in lower case with a dot, as after the @ of an address
DOMAIN = r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
#: RFC 6749, 3.3
SCOPE = r"^[\x21\x23-\x5B\x5D-\x7E]{1,100}$"
SCOPES = ("openid", "email", "profile")

#: how long somebody may take to sign in at a provider, in microseconds
TRANSACTION_LIFE_US = 10 * 60 * 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An OpenID Connect provider with which people may sign in."""

    name: str
    display_name: str
    issuer: str  # exactly as its discovery document and its tokens have it
    client_id: str
    secret: str = ""  # encrypted; empty: none, or in a file that the settings name
    scopes: tuple[str, ...] = SCOPES
    email_domains: tuple[str, ...] = ()  # lower case; with none anybody there may sign in
    auto_provision: bool = False
    created_at: int = 0  # epoch microseconds, as below; 0: from the settings
    updated_at: int = 0

    def admits(self, email: str) -> bool:
        """Whether somebody with that address, which the provider has verified, may sign in."""
        return not self.email_domains or email.rpartition("@")[2] in self.email_domains


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a user is at an issuer. Nobody else can be: ``id`` is the hash of both."""

    id: str
    issuer: str
    subject: str
    user_id: str
    email: str = ""  # as the issuer said last; for people
    created_at: int = 0  # epoch microseconds, as below
    last_used_at: int = 0


def identity_id(issuer: str, subject: str) -> str:
    """The id of who ``subject`` is at ``issuer``, in hex."""
    return hashlib.sha256(f"{issuer}\0{subject}".encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginTransaction:
    """A browser that was sent to a provider, and comes back once.

    Nothing in it is a secret: what proves the browser is in its cookie, and the nonce, PKCE's verifier and the key of
    ``return_to`` are made of that.
    """

    id: str  # the ``state``
    browser_sha: str  # SHA-256 of the cookie, in hex
    provider: str
    return_to: str = ""  # and the invite that is accepted there; encrypted under what is in the cookie
    user_id: str = ""  # who links an identity to their account; empty: somebody signs in
    session_id: str = ""  # theirs
    fresh: bool = False  # they must prove there who they are, though they may have done so before
    created_at: int = 0  # epoch microseconds, as below
    expires_at: int = 0
    used_at: int = 0  # 0: not used
