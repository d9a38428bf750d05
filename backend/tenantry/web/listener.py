"""An application on its ports, from the first connection to the last."""

from __future__ import annotations

import asyncio
import ssl
from functools import partial
from types import TracebackType
from typing import Self, cast

from aiohttp import web

from tenantry.web.connection import Connection

#: how long requests that are being answered may take to end
GRACE_SECONDS = 20.0
_LOOK_SECONDS = 0.02
_LAST_SECONDS = 1.0  # for handlers that were cancelled


class Listener:
    """Answers for ``app`` as long as the context lasts, and then lets what it is doing finish."""

    def __init__(self, app: web.Application) -> None:
        # a client that goes away ends its handler, so that no watch outlives it; a database thread ends what it began
        self._runner = web.AppRunner(app, shutdown_timeout=_LAST_SECONDS, handler_cancellation=True)
        self._servers: list[asyncio.Server] = []

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        return self

    async def listen(self, host: str, port: int, context: ssl.SSLContext | None = None) -> int:
        """Listen on ``port``, or for 0 on a free one, and return which it is.

        Raises:
            OSError: the port cannot be had.
        """
        loop = asyncio.get_running_loop()
        make = partial(Connection, self._manager, loop=loop)
        server = await loop.create_server(make, host, port, ssl=context, backlog=1024)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.close()
        for _ in range(3):  # turns of the loop, by which a connection that was accepted is made
            await asyncio.sleep(0)
        await self._runner.shutdown()  # streams end
        loop = asyncio.get_running_loop()
        deadline = loop.time() + GRACE_SECONDS
        while self._connections and loop.time() < deadline:
            for connection in self._connections:
                connection.leave(loop.time())
            await asyncio.sleep(_LOOK_SECONDS)
        for connection in self._connections:
            connection.cut_off()
        await self._runner.cleanup()

    @property
    def _connections(self) -> list[Connection]:
        return cast(list[Connection], self._manager.connections)

    @property
    def _manager(self) -> web.Server:
        manager = self._runner.server
        assert manager is not None  # noqa: S101 - since setup
        return manager
