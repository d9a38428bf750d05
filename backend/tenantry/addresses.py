"""Addresses as settings name them: of this machine, of networks, databases, mail servers and origins."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*\.?")
#: RFC 6052, 2.1: the last four bytes are an IPv4 address
_NAT64 = ip_network("64:ff9b::/96")

#: names of this machine that a ``Host`` header may have anywhere
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def is_loopback(host: str) -> bool:
    """Whether ``host`` is a loopback name or address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def named_alike(url: str) -> str:
    """``url`` with one name for loopback: a server says ``localhost``, its kubeconfig the address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return url
    return f"{parts.scheme}://localhost:{port}{parts.path}" if parts.hostname in LOOPBACK else url


def unwrap(address: Address) -> Address:
    """The IPv4 address that an IPv6 one leads to: mapped (RFC 4291), 6to4 (RFC 3056), NAT64 (RFC 6052)."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def read_host_or_network(item: str) -> str:
    """``item``, if it is a host name, an address or a CIDR that something can be at.

    Raises:
        ValueError: it is none of them, and why.
    """
    try:
        network = ip_network(item)
    except ValueError:
        if "/" in item and "://" not in item:
            raise
        if ":" in item:
            message = f"{item} must be a host name, an address or a CIDR, with no scheme, port or brackets"
            raise ValueError(message) from None
        if not _HOST.fullmatch(item):
            raise ValueError(f"{item} is neither a host name, nor an address, nor a CIDR") from None
    else:
        first, last = map(unwrap, (network[0], network[-1]))
        if network.version != first.version == last.version:
            raise ValueError(f"{item} stands for IPv4 addresses: write those, from {first} to {last}")
    return item


def read_origin(text: str) -> str:
    """``text``, if it is an origin as browsers write it.

    Raises:
        ValueError: it is none, and why.
    """
    parts = urlsplit(text)
    is_bare = parts.scheme in ("http", "https") and text == f"{parts.scheme}://{parts.netloc}" and "@" not in text
    if not is_bare or text != text.lower() or not parts.hostname or "*" in text:
        raise ValueError(f"{text} is no origin such as https://app.example.com, in lower case and without a path")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError(f"{text} must begin with https:// unless its host is loopback")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class MySQLAddress:
    """A database on a server, and how to get in; ``ssl_ca`` is a file, empty for no TLS."""

    host: str
    port: int
    user: str
    password: str
    name: str
    ssl_ca: str


def read_database_url(url: str) -> MySQLAddress | Path:
    """What ``mysql://user:password@host:port/name?ssl-ca=file`` or ``sqlite:///path`` names.

    Raises:
        ValueError: it is neither; the text does not tell the URL, which may hold a password.
    """
    try:
        parts = urlsplit(url)
        path, options = unquote(parts.path), dict(parse_qsl(parts.query, keep_blank_values=True))
        if url.startswith("sqlite:///") and path.strip("/") and not options:
            return Path(path[1:])
        ssl_ca = options.pop("ssl-ca", "")
        name = path.strip("/")
        if parts.scheme == "mysql" and parts.hostname and parts.port != 0 and name and not options:
            return MySQLAddress(
                host=parts.hostname,
                port=parts.port or 3306,
                user=unquote(parts.username or ""),
                password=unquote(parts.password or ""),
                name=name,
                ssl_ca=ssl_ca,
            )
    except ValueError:  # of a port
        pass
    raise ValueError(
        "must be mysql://user:password@host:3306/database or sqlite:///path, with what is special in the user and the "
        "password percent-encoded, and no option but ?ssl-ca=FILE"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SMTPAddress:
    """A server that takes mail, and how to get in."""

    host: str
    port: int
    user: str
    password: str
    tls: Literal["starttls", "implicit", "none"]
    ca_file: str = ""


_SMTP: dict[str, tuple[Literal["starttls", "implicit", "none"], int]] = {
    "smtp": ("starttls", 587),
    "smtps": ("implicit", 465),
    "smtp+plain": ("none", 25),
}


def read_smtp_url(url: str) -> SMTPAddress:
    """What ``smtp://user:password@host:587`` names.

    Raises:
        ValueError: it names nothing; the text does not tell the URL, which may hold a password.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme in _SMTP and parts.hostname and parts.path in {"", "/"} and not parts.query:
            tls, port = _SMTP[parts.scheme]
            return SMTPAddress(
                host=parts.hostname,
                port=parts.port or port,
                user=unquote(parts.username or ""),
                password=unquote(parts.password or ""),
                tls=tls,
            )
    except ValueError:  # of a port
        pass
    raise ValueError(
        "must be smtp://user:password@host:587, smtps://... or smtp+plain://..., with what is special in the user and "
        "the password percent-encoded"
    )
