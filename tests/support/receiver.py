"""A receiver of webhooks for tests: it verifies each message with the library of the standard, and keeps it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks.webhooks import Webhook

PATIENCE = 30  # seconds


@dataclass(frozen=True, slots=True)
class Message:
    """A message that came."""

    id: str
    body: dict[str, Any]
    signatures: int

    @property
    def type(self) -> str:
        """What it tells of."""
        return str(self.body["type"])


@dataclass
class Receiver:
    """Answers with the next of `statuses`, and with 200 when there is none; 0 waits until the sender goes away."""

    url: str = ""
    secret: str = ""
    statuses: list[int] = field(default_factory=list)
    answer: str = "thanks"
    came: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    seen: list[Message] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """Take a message."""
        text = await request.text()
        body = Webhook(self.secret).verify(text, dict(request.headers))
        message = Message(request.headers["webhook-id"], body, len(request.headers["webhook-signature"].split()))
        self.seen.append(message)
        self.came.put_nowait(message)
        status = self.statuses.pop(0) if self.statuses else 200
        if not status:
            await asyncio.Event().wait()
        return web.Response(status=status, text=self.answer)

    async def next(self) -> Message:
        """The next message that comes."""
        async with asyncio.timeout(PATIENCE):
            return await self.came.get()


@asynccontextmanager
async def running_receiver() -> AsyncIterator[Receiver]:
    """A receiver on loopback."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()
