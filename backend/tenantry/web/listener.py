"""An application on its ports, from the first connection to the last."""

from __future__ import annotations

import asyncio
import ssl
from types import TracebackType
from typing import Self

from aiohttp import web

from tenantry.web.connection import Connection

#: how long requests that are being answered may take to end
GRACE_SECONDS = 20.0


class Listener:
    """Answers for ``app`` as long as the context lasts, and then lets what it is doing finish."""

    def __init__(self, app: web.Application) -> None:
        # a client that goes away ends its handler, so that no watch outlives it; a database thread ends what it began
        self._runner = web.AppRunner(app, shutdown_timeout=GRACE_SECONDS, handler_cancellation=True)
        self._servers: list[asyncio.Server] = []

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        return self

    async def listen(self, host: str, port: int, context: ssl.SSLContext | None = None) -> int:
        """Listen on ``port``, or for 0 on a free one, and return which it is.

        Raises:
            OSError: the port cannot be had.
        """
        manager, loop = self._runner.server, asyncio.get_running_loop()
        assert manager is not None  # noqa: S101 - since setup
        server = await loop.create_server(lambda: Connection(manager, loop=loop), host, port, ssl=context, backlog=1024)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.close()
        await self._runner.cleanup()
