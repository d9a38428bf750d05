"""The second listener: metrics and probes, for the machine that runs the server and never for the ingress."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from tenantry import metrics
from tenantry.model.errors import TenantryError
from tenantry.settings import WrongSettingError
from tenantry.storage import schema
from tenantry.storage.db import READY_SECONDS
from tenantry.wiring import Services

logger = logging.getLogger(__name__)

#: raises when it fails; returns what else there is to say
Check = Callable[[Services, "Lifecycle"], Awaitable[str]]


@dataclass(slots=True)
class Lifecycle:
    """Where the process is between its start and its end."""

    started: bool = False
    stopping: bool = False
    failed: bool = False  # a background loop ended that never should; the log says why


class NotYetError(Exception):
    """A check that failed; its text says why."""


async def check_database(services: Services) -> None:
    """See that the database answers and has a schema that this release can work with.

    Raises:
        NotYetError: it does not, or has none.
    """
    try:
        async with asyncio.timeout(READY_SECONDS):
            state = await schema.state(services.db)
        if not state.is_accepted:
            raise NotYetError(state.complaint)
        await services.db.ready()
    except TimeoutError:
        raise NotYetError(f"it did not answer within {READY_SECONDS:g} s") from None
    except TenantryError as error:
        raise NotYetError(error.message) from None


async def _check_database(services: Services, _: Lifecycle) -> str:
    await check_database(services)
    return ""


async def _check_signing_keys(services: Services, lifecycle: Lifecycle) -> str:
    """Tell of keys that cannot be read; that fails no server which has started, since all else is served."""
    if not lifecycle.started:
        try:
            with suppress(TenantryError):  # the check of the database tells of that
                await services.signing_keys.check()
        except WrongSettingError as error:
            raise NotYetError(str(error)) from None
    lost = services.signing_keys.unreadable
    return "".join(f"; key {key_id} cannot be read: {why}" for key_id, why in lost.items())


async def _check_background(_: Services, lifecycle: Lifecycle) -> str:
    if lifecycle.failed:
        raise NotYetError("background work has ended")
    return ""


async def _check_startup(_: Services, lifecycle: Lifecycle) -> str:
    if not lifecycle.started:
        raise NotYetError("the server is starting")
    return ""


async def _check_shutdown(_: Services, lifecycle: Lifecycle) -> str:
    if lifecycle.stopping:
        raise NotYetError("the server is stopping")
    return ""


def create_ops_app(services: Services, lifecycle: Lifecycle) -> web.Application:
    """The application behind OPS_PORT."""

    def probe(name: str, **checks: Check) -> web.RouteDef:
        async def answer(_: web.Request) -> web.Response:
            lines, failed = [], False
            for check, run in checks.items():
                try:
                    note = await run(services, lifecycle)
                    lines.append(f"[+]{check} ok{note}")
                except NotYetError as error:
                    failed = True
                    lines.append(f"[-]{check} failed: {error}")
                except Exception:
                    failed = True
                    logger.exception("the check %s of %s", check, name)
                    lines.append(f"[-]{check} failed: unexpected error; the server's log has it")
            lines.append(f"{name} check {'failed' if failed else 'passed'}")
            return web.Response(text="\n".join(lines) + "\n", status=503 if failed else 200)

        return web.get(f"/{name}", answer)

    ready: dict[str, Check] = {
        "shutdown": _check_shutdown,
        "background": _check_background,
        "database": _check_database,
        "signing-keys": _check_signing_keys,
    }
    app = web.Application()
    app.add_routes(
        [
            web.get("/metrics", _expose),
            probe("livez", background=_check_background),  # what a restart cures, so never the database
            probe("readyz", **ready),
            probe("startupz", startup=_check_startup),
        ]
    )
    return app


async def _expose(request: web.Request) -> web.Response:
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return web.Response(body=encode(metrics.REGISTRY), headers={"Content-Type": content_type})
