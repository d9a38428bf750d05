"""Port 9090: metrics and probes, for the machine that runs the operator."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from tenantry.settings import PortError
from tenantry_operator import metrics
from tenantry_operator.election import Election
from tenantry_operator.errors import KubeError
from tenantry_operator.kube import Kube

#: seconds without a word from kube-apiserver after which it is asked for one
_QUIET = 10.0


@dataclass(slots=True)
class Lifecycle:
    """Where the process is between its start and its end."""

    started: bool = False  # waits for the Lease, or works
    stopping: bool = False
    election: Election | None = None


@asynccontextmanager
async def serve(host: str, port: int, kube: Kube, lifecycle: Lifecycle) -> AsyncIterator[int]:
    """Answer on ``port``, or a free one for 0, which is what the context gives.

    Raises:
        PortError: it cannot be listened on.
    """

    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")  # nothing that a restart would not cure

    async def startupz(_: web.Request) -> web.Response:
        return _verdict("" if lifecycle.started else "the operator is starting")

    async def readyz(_: web.Request) -> web.Response:
        if lifecycle.stopping or not lifecycle.started:
            return _verdict("the operator is stopping" if lifecycle.stopping else "the operator is starting")
        if lifecycle.election and lifecycle.election.obstacle:
            return _verdict(lifecycle.election.obstacle)
        if time.monotonic() - kube.heard_at > _QUIET:
            try:
                await kube.ping()
            except KubeError as error:
                return _verdict(error.message)
        return _verdict("")

    app = web.Application()
    app.add_routes(
        [
            web.get("/metrics", _expose),
            web.get("/livez", livez),
            web.get("/readyz", readyz),
            web.get("/startupz", startupz),
        ]
    )
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise PortError("OPS_PORT", host, port, error) from None
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _verdict(problem: str) -> web.Response:
    return web.Response(text=f"{problem or 'ok'}\n", status=503 if problem else 200)


async def _expose(request: web.Request) -> web.Response:
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return web.Response(body=encode(metrics.REGISTRY), headers={"Content-Type": content_type})
