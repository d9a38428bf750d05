"""Cross-site request forgery: what makes sure that a page of ours made the browser send an unsafe request.

Two things together: the origin that the browser names, and a token that only a page of the session can know. The token
is a hash of the session's own secret, so that it is good for as long as the session and kept nowhere.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Set as AbstractSet

from aiohttp import web

from tenantry.model.errors import Code, TenantryError

#: carries the token of a request that a script makes
HEADER = "X-CSRF-Token"
#: methods that change nothing (RFC 9110, 9.2.1)
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def token_of(session: str) -> str:
    """The token that belongs to a session's cookie."""
    return hashlib.sha256(b"csrf:" + session.encode(errors="replace")).hexdigest()


def check_token(session: str, token: str) -> None:
    """Refuse a request whose ``token`` is not that of ``session``.

    Raises:
        TenantryError: ``FORBIDDEN``.
    """
    if not hmac.compare_digest(token_of(session).encode(), token.encode(errors="replace")):
        raise TenantryError(Code.FORBIDDEN, f"{HEADER} must carry the session's CSRF token, which GET /v1/me tells")


def check_origin(request: web.Request, origins: AbstractSet[str]) -> None:
    """Refuse what a page of another site made the browser send.

    Args:
        request: unsafe, and by cookie.
        origins: ours, where the server knows its external URL; else that of the request's own host.

    Raises:
        TenantryError: ``FORBIDDEN``.
    """
    named, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    own = f"{request.scheme}://{request.host}".lower()
    is_ours = site == "same-origin" if named is None else named.lower() in {own, *origins}
    if is_ours:
        return
    if named or site:
        raise TenantryError(Code.FORBIDDEN, "the request does not come from a page of this site: send it from one")
    message = "the request does not say which site it comes from: send Origin or Sec-Fetch-Site, as every browser does"
    raise TenantryError(Code.FORBIDDEN, message)
