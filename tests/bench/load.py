"""An HTTP load from this process: keep-alive connections that send prepared requests, and what came of it.

Requests are bytes made beforehand and answers are only counted, so that one core here can saturate a server on the
other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

CONNECTIONS = 16
_TICKS = 100  # of /proc/<pid>/stat a second


@dataclass(frozen=True, slots=True)
class Result:
    """One round: requests, seconds, CPU of the server, and every latency in seconds."""

    requests: int
    seconds: float
    cpu_seconds: float
    latencies: list[float] = field(repr=False)
    statuses: dict[int, int]

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def cpu_us(self) -> float:
        """CPU of the server for a request, user and system of all threads, in microseconds."""
        return self.cpu_seconds / self.requests * 1e6

    def percentile(self, part: float) -> float:
        """A latency in milliseconds, such as that of ``part`` 0.99."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[int] | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("the server closed the connection"))

    def send(self, request: bytes) -> asyncio.Future[int]:
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, blank, body = self._buffer.partition(b"\r\n\r\n")
        if not blank or self._answer is None:
            return
        _, found, rest = head.lower().partition(b"content-length:")
        if not found or len(body) < int(rest.partition(b"\r\n")[0]):
            return
        self._buffer = b""
        self._answer.set_result(int(head[9:12]))


def request(  # noqa: PLR0913 - the parts of a request
    method: str,
    path: str,
    *,
    token: str = "",
    basic: str = "",
    body: bytes = b"",
    content_type: str = "",
    accept: str = "",
) -> bytes:
    """One request, ready to send, with a bearer token, or with HTTP Basic, or without a credential."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"Authorization: Bearer {token}"] if token else []
    lines += [f"Authorization: Basic {basic}"] if basic else []
    lines += [f"Content-Type: {content_type}"] if content_type else []
    lines += [f"Accept: {accept}"] if accept else []
    lines += [f"Content-Length: {len(body)}"] if body or method != "GET" else []
    return "\r\n".join([*lines, "", ""]).encode() + body


async def drive(
    url: str, pid: int, make: Callable[[int], bytes], *, seconds: float = 2.0, connections: int = CONNECTIONS
) -> Result:
    """Send ``make(0)``, ``make(1)``... over ``connections`` for ``seconds`` and count what is answered."""
    host, _, port = url.removeprefix("http://").partition(":")
    loop = asyncio.get_running_loop()
    open_ = [(await loop.create_connection(_Connection, host, int(port)))[1] for _ in range(connections)]
    numbers, latencies, statuses = count(), list[float](), dict[int, int]()

    async def work(connection: _Connection, end: float) -> None:
        while (start := time.perf_counter()) < end:
            status = await connection.send(make(next(numbers)))
            latencies.append(time.perf_counter() - start)
            statuses[status] = statuses.get(status, 0) + 1

    before, start = cpu_seconds(pid), time.perf_counter()
    await asyncio.gather(*(work(connection, start + seconds) for connection in open_))
    elapsed, spent = time.perf_counter() - start, cpu_seconds(pid) - before
    for connection in open_:
        connection.transport.close()
    return Result(len(latencies), elapsed, spent, latencies, statuses)


def cpu_seconds(pid: int) -> float:
    """CPU that a process has used, user and system of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def rss_mb(pid: int) -> float:
    """Resident memory of a process in MB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
