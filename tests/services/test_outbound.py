"""Requests to addresses that others name: real servers on loopback, of which some addresses pass for public ones."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from tenantry.datadir import DataDirectory
from tenantry.services import outbound
from tenantry.services.outbound import Outbound, OutboundError, is_public
from tenantry.web.tls import Certificate, local_certificate

#: in these tests this address, and no other, may be spoken to
OPEN = "127.0.0.1/32"


@dataclass
class Names(AbstractResolver):
    """A DNS server of the test; the answers to a name in their order, the last one for ever."""

    answers: dict[str, list[list[str]]]
    asked: list[str] = field(default_factory=list)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """What the name is at now."""
        del family
        self.asked.append(host)
        answers = self.answers[host]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in found
        ]

    async def close(self) -> None:
        """Nothing to close."""


@dataclass
class Receiver:
    """A server that answers every request with the same bytes, and counts them."""

    port: int
    answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    endless: bytes = b""
    hangs: bool = False
    requests: list[bytes] = field(default_factory=list)

    def url(self, host: str = "127.0.0.1", scheme: str = "http") -> str:
        """Where it is, by one of its names."""
        return f"{scheme}://{host}:{self.port}/hook"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        try:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self.answer)
            await writer.drain()
            if self.hangs:
                await reader.read()
            while self.endless:
                writer.write(self.endless)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """One that listens on every loopback address."""
    found = Receiver(0)
    server = await asyncio.start_server(found.serve, "0.0.0.0")  # noqa: S104
    found.port = server.sockets[0].getsockname()[1]
    async with server:
        yield found


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1"),
        "169.254.169.254",
        *("100.100.100.200", "168.63.129.16", "192.0.0.192", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *("::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1", "fe80::1%1"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1"),
        *("2002:7f00:1::", "2002:a00:1::1", "2001::1", "3fff::1", "4000::1", "5f00::1"),
    ],
)
def test_what_is_no_address_of_the_internet(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::808:808"])
def test_what_is_one(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.slow
@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "localhost."),
        *(
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "127.1",
            "0",
            "0x7f.0.0.1",
            "127.0.0.1.",
            "\uff11\uff12\uff17.0.0.1",
        ),
    ],
)
async def test_no_spelling_of_a_private_address_is_connected_to(receiver: Receiver, host: str) -> None:
    for scheme in ("https", "http"):
        with pytest.raises(OutboundError):
            await Outbound().request("GET", receiver.url(host, scheme))
        with pytest.raises(OutboundError):
            await Outbound(["10.0.0.0/8", "idp.internal"]).request("GET", receiver.url(host, scheme))
    assert not receiver.requests


async def test_what_the_settings_allow_is_connected_to(receiver: Receiver) -> None:
    names = Names({"idp.internal": [["127.0.0.2"]], "other.internal": [["127.0.0.2"]]})
    for client in (Outbound(["idp.internal"], resolver=names), Outbound(["127.0.0.2"], resolver=names)):
        answer = await client.request("POST", receiver.url("idp.internal"), headers={"X-One": "1"}, data=b"{}")
        assert (answer.status, answer.body) == (200, b"ok")
    assert b"X-One: 1\r\n" in receiver.requests[0]
    with pytest.raises(OutboundError, match=r"127\.0\.0\.2 is no public address"):
        await Outbound(["idp.internal", "10.0.0.0/8"], resolver=names).request("GET", receiver.url("other.internal"))
    assert len(receiver.requests) == 2


def test_a_name_that_the_settings_do_not_have_is_named_with_tls_only() -> None:
    client = Outbound(["idp.internal", "127.0.0.0/8"])
    for url in ("http://idp.internal/", "http://127.0.0.1/", "https://example.com/", "https://other.internal/"):
        client.check(url)
    for url in ("http://example.com/", "http://other.internal/", "http://localhost/", "http://1.1.1.1/"):
        with pytest.raises(ValueError, match="must begin with https:// unless TENANTRY_OUTBOUND_ALLOW names its host"):
            client.check(url)


async def test_of_a_name_with_several_addresses_only_the_good_are_tried(receiver: Receiver) -> None:
    names = Names({"both": [["127.0.0.3", "127.0.0.1", "::1"]], "none": [["127.0.0.3", "::ffff:127.0.0.3"]]})
    client = Outbound([OPEN], resolver=names)
    assert (await client.request("GET", receiver.url("both"))).status == 200
    with pytest.raises(OutboundError, match="no public address"):
        await client.request("GET", receiver.url("none"))
    assert len(receiver.requests) == 1


async def test_a_name_is_asked_once_and_what_it_said_is_what_counts(receiver: Receiver) -> None:
    names = Names({"rebinding": [["127.0.0.1"], ["127.0.0.3"]]})
    client = Outbound([OPEN], resolver=names)
    assert (await client.request("GET", receiver.url("rebinding"))).status == 200
    assert names.asked == ["rebinding"]
    with pytest.raises(OutboundError, match="no public address"):  # no connection of before is used either
        await client.request("GET", receiver.url("rebinding"))
    assert len(receiver.requests) == 1


async def test_names_that_nobody_answers_for_keep_nothing_else_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenant chooses the names of its webhooks, and the loop's own threads are few and everybody's."""
    answered, asked = threading.Event(), socket.getaddrinfo

    def look_up(host: str, *args: Any, **options: Any) -> Any:
        if host.endswith(".slow.example"):
            answered.wait(60)
            raise socket.gaierror
        return asked(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    client = Outbound()
    waiting = [asyncio.create_task(client.request("GET", f"https://{n}.slow.example/")) for n in range(60)]
    try:
        await asyncio.wait_for(asyncio.to_thread(str), 5)
    finally:
        answered.set()
        ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(each) for each in ended} == {OutboundError}


async def test_names_of_one_tenant_leave_threads_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "LOOK_UPS_OF_ONE", 2)
    monkeypatch.setattr(outbound, "SECONDS", 0.1)
    answered = threading.Event()

    def look_up(host: str, *_: Any, **__: Any) -> Any:
        if host.endswith(".slow.example"):
            answered.wait(60)
        raise socket.gaierror(f"{host} is unknown")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    client = Outbound()

    async def ask(host: str, whose: str) -> str:
        with pytest.raises(OutboundError) as refused:
            await client.request("GET", f"https://{host}/", whose=whose)
        return str(refused.value)

    try:
        for number in range(2):
            assert "did not answer within" in await ask(f"{number}.slow.example", "acme")
        # nobody waits for those two any more, and the resolver still does
        assert "2 other names of this kind" in await ask("a.example", "acme")
        assert "a.example is unknown" in await ask("a.example", "other")
    finally:
        answered.set()
    async with asyncio.timeout(30):
        while "is unknown" not in await ask("a.example", "acme"):
            pass  # the threads end at their time


async def test_more_names_of_one_than_are_looked_up_at_a_time_wait_for_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    together = threading.Barrier(outbound.LOOK_UPS_OF_ONE)

    def look_up(host: str, *_: Any, **__: Any) -> Any:
        together.wait(30)  # as many as may be at a time, or it breaks
        raise socket.gaierror(f"{host} is unknown")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    client = Outbound()
    asked = [client.request("GET", f"https://{n}.example/", whose="acme") for n in range(3 * outbound.LOOK_UPS_OF_ONE)]
    ended = await asyncio.gather(*asked, return_exceptions=True)
    assert all("is unknown" in str(each) for each in ended), ended


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(receiver: Receiver, status: int) -> None:
    receiver.answer = f"HTTP/1.1 {status} Go\r\nLocation: {receiver.url()}\r\nContent-Length: 0\r\n\r\n".encode()
    answer = await Outbound([OPEN]).request("POST", receiver.url(), data=b"{}")
    assert answer.status == status
    assert len(receiver.requests) == 1


@pytest.mark.slow
async def test_no_answer_is_waited_for_or_read_for_ever(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Outbound([OPEN])
    receiver.answer, receiver.endless = b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536
    with pytest.raises(OutboundError, match="more than 1048576 bytes"):
        await client.request("GET", receiver.url())
    receiver.answer, receiver.endless = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", b""
    assert (await client.request("GET", receiver.url())).body == b""  # and nothing is unpacked
    monkeypatch.setattr(outbound, "SECONDS", 0.2)
    receiver.hangs = True
    for slow in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"):
        receiver.answer = slow
        with pytest.raises(OutboundError, match="did not answer within"):
            await client.request("GET", receiver.url())


@pytest.mark.parametrize("answer", [b"", b"220 mail ESMTP\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"])
async def test_what_is_no_http_is_an_error(receiver: Receiver, answer: bytes) -> None:
    receiver.answer = answer
    with pytest.raises(OutboundError, match=r"^127\.0\.0\.1 did not answer as HTTP says"):
        await Outbound([OPEN]).request("GET", receiver.url())


async def test_a_certificate_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = DataDirectory(tmp_path)
    directory.open()
    found = Receiver(0)
    certificate = Certificate(*local_certificate(directory)).context
    server = await asyncio.start_server(found.serve, "127.0.0.1", ssl=certificate)
    found.port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(OutboundError, match="certificate is not valid"):
            await Outbound([OPEN]).request("GET", found.url(scheme="https"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.crt"))
        assert (await Outbound([OPEN]).request("GET", found.url(scheme="https"))).status == 200
        elsewhere = Outbound([OPEN], resolver=Names({"idp.example": [["127.0.0.1"]]}))
        with pytest.raises(OutboundError, match="certificate is not valid"):
            await elsewhere.request("GET", found.url("idp.example", scheme="https"))


@pytest.mark.parametrize(
    "url",
    [
        *("", "idp.example", "/path", "ftp://idp.example", "file:///etc/passwd", "https://", "https:///path"),
        *("https://user:pw@idp.example", "https://idp.example/#part", "http://idp.example", "http://1.1.1.1/"),
        *("https://127.0.0.1/", "https://[::1]/", "https://idp.example:99999/", "https://[::1", "javascript:alert(1)"),
        *("https://idp.example/hook\n", "https://idp.example/hook ", "https://idp.example/a b"),
    ],
)
def test_a_url_that_can_never_be_right_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match=r"must|no public"):
        Outbound().check(url)


async def test_no_proxy_of_the_environment_is_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await Outbound([OPEN]).request("GET", receiver.url())).status == 200


def test_certificates_are_checked_by_name() -> None:
    context: Any = Outbound()._tls
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
