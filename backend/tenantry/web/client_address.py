"""Whose request it is, behind proxies: the rightmost address that is not one of the trusted ones.

What stands further left in ``X-Forwarded-For`` was written by whoever sent the request and is worth nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from aiohttp import web

from tenantry.settings import Network


def client_address(request: web.Request, trusted: Sequence[Network]) -> str:
    """The client's address; the peer's own unless the peer is a trusted proxy. Empty when the peer is gone."""
    peer = request.remote or ""
    if not trusted:
        return peer
    hops = [hop.strip() for value in request.headers.getall("X-Forwarded-For", ()) for hop in value.split(",")]
    while (address := _read(peer)) and any(address in network for network in trusted) and hops:
        hop = hops.pop()
        if _read(hop) is None:  # garbage says nothing; the proxy that passed it on is what we know
            break
        peer = hop
    return peer


def _read(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip("[]"))
    except ValueError:
        return None
    return (address.version == 6 and address.ipv4_mapped) or address  # noqa: PLR2004 - a protocol version
