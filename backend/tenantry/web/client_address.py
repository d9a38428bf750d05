"""Whose request it is, behind proxies: the rightmost address that is not one of the trusted ones.

What stands further left in ``X-Forwarded-For`` was written by whoever sent the request and is worth nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from aiohttp import web

from tenantry.addresses import Network


def client_address(request: web.Request, trusted: Sequence[Network]) -> str:
    """The client's address; the peer's own unless the peer is a trusted proxy. Empty when the peer is gone."""
    peer = request.remote or ""
    if peer.startswith("::ffff:") and "." in peer:  # IPv4 on a socket that listens for both
        peer = peer[7:]
    if not trusted:
        return peer
    hops = [hop for value in request.headers.getall("X-Forwarded-For", ()) for hop in value.split(",")]
    address = _read(peer)
    while address and hops and any(address in network for network in trusted):
        address = _read(hops.pop())
        if address is None:  # garbage says nothing; the proxy that passed it on is what we know
            break
        peer = str(address)
    return peer


def _read(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip().strip("[]"))
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
