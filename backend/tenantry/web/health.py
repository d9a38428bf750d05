"""The second listener: metrics and probes, for the machine that runs the server and never for the ingress."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from tenantry import metrics
from tenantry.model.errors import TenantryError
from tenantry.storage import schema
from tenantry.wiring import Services

Check = Callable[[Services, "Lifecycle"], Awaitable[None]]


@dataclass(slots=True)
class Lifecycle:
    """Where the process is between its start and its end."""

    started: bool = False
    stopping: bool = False


class NotYetError(Exception):
    """A check that failed; its text says why."""


async def _check_database(services: Services, _: Lifecycle) -> None:
    try:
        await services.db.ready()
    except TenantryError as error:
        raise NotYetError(error.message) from None


async def _check_schema(services: Services, _: Lifecycle) -> None:
    try:
        state = await schema.state(services.db)
    except TenantryError as error:
        raise NotYetError(error.message) from None
    if not state.is_accepted:
        raise NotYetError(f"the schema is at {state.current} and must be at {state.expected}: run tenantry migrate")


async def _check_startup(_: Services, lifecycle: Lifecycle) -> None:
    if not lifecycle.started:
        raise NotYetError("the server is starting")


async def _check_shutdown(_: Services, lifecycle: Lifecycle) -> None:
    if lifecycle.stopping:
        raise NotYetError("the server is stopping")


def create_ops_app(services: Services, lifecycle: Lifecycle) -> web.Application:
    """The application behind OPS_PORT."""

    def probe(name: str, **checks: Check) -> web.RouteDef:
        async def answer(_: web.Request) -> web.Response:
            lines, failed = [], False
            for check, run in checks.items():
                try:
                    await run(services, lifecycle)
                    lines.append(f"[+]{check} ok")
                except NotYetError as error:
                    failed = True
                    lines.append(f"[-]{check} failed: {error}")
            lines.append(f"{name} check {'failed' if failed else 'passed'}")
            return web.Response(text="\n".join(lines) + "\n", status=503 if failed else 200)

        return web.get(f"/{name}", answer)

    app = web.Application()
    app.add_routes(
        [
            web.get("/metrics", _expose),
            probe("livez"),  # nothing that a restart would not cure, so never the database
            probe("readyz", shutdown=_check_shutdown, database=_check_database, schema=_check_schema),
            probe("startupz", startup=_check_startup),
        ]
    )
    return app


async def _expose(request: web.Request) -> web.Response:
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return web.Response(body=encode(metrics.REGISTRY), headers={"Content-Type": content_type})
