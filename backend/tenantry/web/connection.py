"""One client's connection: what the HTTP library answers by itself, in our words, and how it ends with the server.

What is no HTTP, or expects what is done nowhere here, never reaches a route. It is answered, counted and logged like
any other request; what was sent is quoted nowhere, as it may hold a secret.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import sys
from http import HTTPStatus
from typing import Any, cast

from aiohttp import web
from aiohttp.http import HttpProcessingError, RawRequestMessage
from aiohttp.http_exceptions import LineTooLong

from tenantry import metrics
from tenantry.logs import REQUEST
from tenantry.model.errors import Code, TenantryError
from tenantry.web import errors
from tenantry.web.middlewares import UNKNOWN, label, log_access, new_scope

#: the longest request line
LINE_BYTES = 64 * 1024
#: the longest header
HEADER_BYTES = 8 * 1024
#: headers of one request
HEADERS = 128
#: for so long a client may neither take nor send anything that is due, once the server stops
PATIENCE = 1.0
_FIRST_BYTES = 256
_REQUEST_LINE = re.compile(rb"([A-Z]+) +(/[^\s?#]*)?")
#: what the parser says without quoting what was sent; else a sentence ends where the quotation begins
_PLAIN = re.compile(
    r"Received HTTPS traffic on an HTTP port|(Duplicate|Missing) '[A-Za-z-]+' header (found|in request)\."
)
_TOO_MANY = "Too many headers received"
#: bytes acknowledged and bytes received in Linux's ``struct tcp_info``
_TCP_INFO_BYTES = slice(120, 136)

logger = logging.getLogger(__name__)


class Connection(web.RequestHandler):
    """aiohttp's protocol of a connection."""

    __slots__ = ("_first", "_leaving", "_moved", "_since", "_socket", "_wire")

    def __init__(self, manager: web.Server, **options: Any) -> None:
        super().__init__(
            manager,
            access_log=None,  # type: ignore[arg-type] # ours is written by the middleware
            auto_decompress=False,
            max_line_size=LINE_BYTES,
            max_field_size=HEADER_BYTES,
            max_headers=HEADERS,
            **options,
        )
        self._first = b""  # of a request that is not parsed yet
        self._wire: asyncio.Transport | None = None  # which is there until it has sent everything
        self._socket: Any = None  # the transport's
        self._leaving = False
        self._moved = b""  # what TCP had carried at the last look
        self._since = 0.0  # when it last had carried more, or was not due to

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._wire, self._socket = cast(asyncio.Transport, transport), transport.get_extra_info("socket")
        super().connection_made(transport)

    def leave(self, now: float) -> None:
        """Look whether to close, as the server stops: when there is no request, or the client keeps it waiting.

        Call it again until the connection is lost.

        Args:
            now: of the loop's clock.
        """
        self._leaving = True
        if self._waiter is not None and not self._waiter.done():
            self.force_close()  # which sends what is still to send
        moved = _count_bytes(self._socket)
        if moved != self._moved or not self._waits_for_client():
            self._moved, self._since = moved, now
        elif now - self._since >= PATIENCE:
            self.cut_off()

    def cut_off(self) -> None:
        """Close at once; a handler that still works is cancelled."""
        if self._wire is not None:
            self._wire.abort()

    def data_received(self, data: bytes) -> None:
        """Parse what has come, and do not let a handler wait for the rest of a body that broke off."""
        request = self._current_request
        if request is None and data[:1].isupper():
            self._first = data[:_FIRST_BYTES]
        super().data_received(data)
        if not self._messages:
            return
        if isinstance(self._messages[-1][0], RawRequestMessage):
            self._first = b""
        elif request is not None and not request.content.is_eof():  # aiohttp would answer this in a second answer
            self._messages.pop()
            request.content.set_exception(web.RequestPayloadError())
            request.content.feed_eof()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what never reached a route."""
        del status, message
        if isinstance(exc, ConnectionError) or request.writer.output_size:
            raise ConnectionAbortedError from exc
        if isinstance(exc, HttpProcessingError):
            method, path = self._guess()
            return _refuse(_explain(exc), method, path, request.remote)
        logger.error("unexpected error", exc_info=exc)
        return _refuse(TenantryError(Code.INTERNAL, "unexpected error"), request.method, request.path, request.remote)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; once the server stops it is the last one."""
        if isinstance(resp, web.HTTPExpectationFailed):
            error = TenantryError(Code.EXPECTATION_FAILED, "the only expectation that is met here is 100-continue")
            resp = _refuse(error, request.method, request.path, request.remote)
        if self._leaving:
            resp.force_close()
        return await super().finish_response(request, resp, start_time)

    def _waits_for_client(self) -> bool:
        request = self._current_request
        if request is None:  # the handler has done its part
            return True
        return self.writing_paused or not (request.content.is_eof() or self._reading_paused)

    def _guess(self) -> tuple[str, str]:
        """The method and the path of what could not be parsed, empty where nothing looks like one."""
        found = _REQUEST_LINE.match(self._first)
        return (found[1].decode(), (found[2] or b"").decode(errors="replace")) if found else ("", "")


def _count_bytes(connection: Any) -> bytes:
    """How much TCP has carried both ways, to be compared: the buffers of a TLS transport do not tell."""
    if sys.platform != "linux":
        return b"unknown"
    try:
        info: bytes = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES.stop)
    except (OSError, ValueError):  # it is closed
        return b"unknown"
    return info[_TCP_INFO_BYTES]


def _refuse(error: TenantryError, method: str, path: str, address: str | None) -> web.Response:
    scope = new_scope(None, None)
    REQUEST.set(scope)
    response = errors.render(error, path, scope.request_id)
    response.force_close()
    label(response)
    metrics.HTTP_REQUESTS.count(UNKNOWN, "any", response.status)
    log_access(scope, address or "", method, path, response.status, 0.0, error=error.message)
    return response


def _explain(error: HttpProcessingError) -> TenantryError:
    """What is wrong with the bytes of a request."""
    if isinstance(error, LineTooLong) or error.message == _TOO_MANY:
        limits = f"a request line has at most {LINE_BYTES} bytes, a header {HEADER_BYTES}, a request {HEADERS} headers"
        return TenantryError(Code.HEADERS_TOO_LARGE, limits)
    if _PLAIN.fullmatch(error.message):
        reason = error.message
    else:
        reason, quoted, _ = error.message.partition("\n\n")
        reason = " ".join(reason.split()) if quoted else ""
    sentence = ": ".join(filter(None, ["this is no HTTP/1.1 request", reason.rstrip(":.")]))
    return TenantryError(Code.BAD_REQUEST, sentence)
