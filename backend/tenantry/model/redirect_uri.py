"""Addresses that a client may have a browser sent to, and that nobody else may name in its place."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

_URI = re.compile(r"[!-~]{1,500}")
_HOST = re.compile(r"[-_.0-9a-z]+")
#: the scheme of an app's own address: a domain name turned round (RFC 8252, 7.1)
_OWN_SCHEME = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9-]+)+")


def _check(uri: str) -> str:
    if _is_good(uri):
        return uri
    raise PydanticCustomError(
        "redirect_uri",
        "must be https://..., http:// with 127.0.0.1, [::1] or localhost, or a scheme of an app's own such as "
        "com.example.app:/callback; without user, fragment and wildcard",
    )


def _is_good(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not _URI.fullmatch(uri) or "#" in uri or "*" in uri or "\\" in uri or "@" in parts.netloc:
        return False
    if host is not None and not _is_host(host):
        return False
    if parts.scheme == "https":
        return bool(host)
    if parts.scheme == "http":
        return host in {"127.0.0.1", "::1", "localhost"}
    return _OWN_SCHEME.fullmatch(parts.scheme) is not None


def _is_host(host: str) -> bool:
    """Whether it is a name or an address, and so nothing that a policy would read as more (``form-action``)."""
    try:
        ip_address(host)
    except ValueError:
        return _HOST.fullmatch(host) is not None
    return True


#: one of them, as a field of a model
RedirectURI = Annotated[str, Field(max_length=500), AfterValidator(_check)]
