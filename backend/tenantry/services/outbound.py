"""What goes out to addresses that others name: identity providers and the receivers of webhooks.

Whoever may name a URL must not make this server speak to what only it can reach: other services of the cluster, its own
ports, a cloud's metadata. So the address is judged where it is connected to: a name is resolved once, there is no
second look-up that could say something else (DNS rebinding), and no redirect is followed.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any
from weakref import WeakValueDictionary

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from tenantry.addresses import Address, unwrap
from tenantry.settings import PREFIX

SECONDS = 10.0
MAX_BYTES = 1 << 20

#: where the IPv6 addresses of the Internet are
_UNICAST = ip_network("2000::/3")
#: within that and IPv4, ``is_global`` tells; but not every Python knows all that IANA has set apart, and Azure's
#: channel to its hypervisor has an address that looks like any other
_SET_APART = tuple(
    map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "2001::/23", "2001:db8::/32", "3fff::/20"))
)
#: look-ups at a time, as many as webhooks are sent messages: each waits for as long as the system's resolver does, for
#: DNS servers that whoever names the host may have chosen
_LOOK_UPS = 256
#: of names that one tenant has chosen, or one provider, beside those for which nobody waits any more; others wait
LOOK_UPS_OF_ONE = 8


class OutboundError(Exception):
    """A request that was not made, or not answered in time or within bounds; its text is one line that says why."""


class _ForbiddenAddressError(OSError):
    """Raised where the socket would be made; an OSError, so that the next address of the name is tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Threads:
    """The system's resolver in threads of its own: those of the loop are few, and everybody's.

    A thread is taken until the resolver gives up, though nobody waits for it any more, and so is its place.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_LOOK_UPS, thread_name_prefix="names")
        self._places: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def ask(self, whose: str, host: str, port: int, family: socket.AddressFamily) -> list[Any]:
        """What ``getaddrinfo`` says.

        Raises:
            OSError: it says nothing; or as many are asked for ``whose`` as may be, and none of them is answered.
        """
        places = self._places.setdefault(whose, asyncio.Semaphore(LOOK_UPS_OF_ONE))
        try:
            async with asyncio.timeout(SECONDS / 2):
                await places.acquire()
        except TimeoutError:
            message = f"{LOOK_UPS_OF_ONE} other names of this kind are looked up without an answer"
            raise OSError(errno.EBUSY, message) from None
        ask = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        asked = self._threads.submit(ask)
        asked.add_done_callback(partial(_give_back, asyncio.get_running_loop(), places))
        return await asyncio.wrap_future(asked)


def _give_back(loop: asyncio.AbstractEventLoop, places: asyncio.Semaphore, _: Future[Any]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended, and with it who would wait
        loop.call_soon_threadsafe(places.release)


class _Names(AbstractResolver):
    """The names that ``whose`` has chosen."""

    def __init__(self, threads: _Threads, whose: str) -> None:
        self._threads = threads
        self._whose = whose

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of ``host``."""
        found = await self._threads.ask(self._whose, host, port, family)
        return [
            ResolveResult(
                hostname=host, host=str(address), port=port, family=kind, proto=protocol, flags=socket.AI_NUMERICHOST
            )
            for kind, _, protocol, _, (address, *_) in found
        ]

    async def close(self) -> None:
        """The threads stay for the next request."""


class Outbound:
    """Makes requests to public addresses, and to others that the settings allow.

    Args:
        allow: host names and CIDRs that need not be public, and may be spoken to without TLS.
        setting: where they come from, which complaints name.
        resolver: of names; the system's when None, in threads of its own.
    """

    def __init__(
        self,
        allow: Iterable[str] = (),
        *,
        setting: str = "OUTBOUND_ALLOW",
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._setting = f"{PREFIX}{setting}"
        self._plain = f"must begin with https:// unless {self._setting} names its host"
        self._hosts = frozenset(item.lower() for item in allow if not _is_network(item))
        self._networks = tuple(ip_network(item) for item in allow if _is_network(item))
        self._resolver = resolver
        self._threads = _Threads()

    def check(self, url: str) -> None:
        """Refuse a URL that nobody may name, as far as it tells itself; its name is resolved later.

        Without TLS it must be at a host that the settings name, or an address in one of their networks: what a name
        stands for may change, or not be known at this moment.

        Raises:
            ValueError: why.
        """
        if " " in url or not url.isprintable():
            raise ValueError("must have no space or line break")
        target = self._read(url)
        if target.scheme == "http" and target.host not in self._hosts and not _is_address(target.host or ""):
            raise ValueError(self._plain)

    async def request(  # noqa: PLR0913 - the parts of a request
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
        max_bytes: int = MAX_BYTES,
        whose: str = "",
    ) -> Response:
        """The answer of ``url``, over verified TLS; a redirect is an answer like another.

        Args:
            method: HTTP method.
            url: an absolute one.
            headers: beside those that are always sent.
            data: the body.
            max_bytes: of the answer's body; what is larger is refused.
            whose: who has named it, such as a tenant: names of hosts that nobody answers for use up their part alone.

        Raises:
            OutboundError: it was not sent, or not answered within :data:`SECONDS`.
        """
        try:
            target = self._read(url)
        except ValueError as error:
            raise OutboundError(str(error)) from None
        sent = {"Accept-Encoding": "identity", "User-Agent": "Tenantry", **(headers or {})}
        try:
            async with (
                asyncio.timeout(SECONDS),
                self._session(target, whose) as session,
                session.request(
                    method, target, headers=sent, data=data, ssl=self._tls, allow_redirects=False
                ) as answer,
            ):
                body = await _read_body(answer, max_bytes)
                return Response(status=answer.status, headers=answer.headers, body=body)
        except TimeoutError:
            raise OutboundError(f"{target.host} did not answer within {SECONDS:.0f} s") from None
        except aiohttp.ClientConnectorError as error:
            raise OutboundError(f"cannot connect to {target.host}: {_why(error)}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise OutboundError(f"{target.host} did not answer as HTTP says: {_line(error)}") from None

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()  # SSL_CERT_FILE names another bundle of CAs

    def _read(self, url: str) -> URL:
        try:
            target = URL(url)
            host = target.host
        except ValueError:
            raise ValueError("must be an absolute URL") from None
        if target.scheme not in {"https", "http"} or not host:
            raise ValueError("must be a URL that begins with https://")
        if target.user or target.password or target.raw_fragment:
            raise ValueError("must have no user, password or fragment")
        try:
            address = ip_address(host)
        except ValueError:
            if target.scheme == "http" and host not in self._hosts and not self._networks:
                raise ValueError(self._plain) from None
            return target
        why = self._complaint(target, address)
        if why:
            raise ValueError(why)
        return target

    def _session(self, target: URL, whose: str) -> aiohttp.ClientSession:
        """A session for one request: no connection, cookie or look-up is used a second time."""
        connector = aiohttp.TCPConnector(
            resolver=self._resolver or _Names(self._threads, whose),
            use_dns_cache=False,
            force_close=True,
            socket_factory=partial(self._open, target),
        )
        return aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False
        )

    def _open(self, target: URL, found: tuple[Any, ...]) -> socket.socket:
        """The socket for an address that was resolved, if it may be connected to."""
        family, kind, protocol, _, (host, *_) = found
        why = self._complaint(target, ip_address(host))
        if why:
            raise _ForbiddenAddressError(why)
        return socket.socket(family, kind, protocol)

    def _complaint(self, target: URL, address: Address) -> str:
        """Why ``address`` is not spoken to; empty when it is."""
        inner = unwrap(address)
        if target.host in self._hosts or any(inner in network for network in self._networks):
            return ""
        if not is_public(address):
            return f"{inner} is no public address, and {self._setting} does not name it"
        return "" if target.scheme == "https" else self._plain


@dataclass(frozen=True, slots=True)
class Outbounds:
    """One for each who names addresses, so that what the platform may reach is not open to its tenants."""

    platform: Outbound
    tenants: Outbound

    def of(self, tenant_id: str) -> Outbound:
        """That of the tenant with this identity, or of the platform when it is empty."""
        return self.tenants if tenant_id else self.platform


def is_public(address: Address) -> bool:
    """Whether ``address`` is one of the Internet, and so is the IPv4 address that it stands for, if any."""
    inner = unwrap(address)
    if isinstance(inner, IPv6Address) and inner not in _UNICAST:
        return False
    return inner.is_global and not inner.is_multicast and not any(inner in network for network in _SET_APART)


async def _read_body(answer: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > max_bytes:
            raise OutboundError(f"{answer.url.host} answered with more than {max_bytes} bytes")
    return bytes(body)


def _is_network(item: str) -> bool:
    try:
        ip_network(item)
    except ValueError:
        return False
    return True


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _why(error: aiohttp.ClientConnectorError) -> str:
    cause = error.os_error
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not valid: {_line(error.certificate_error)}"
    return str(cause) if isinstance(cause, _ForbiddenAddressError) else cause.strerror or _line(cause)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
