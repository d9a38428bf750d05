"""The process from its start to its end: wait for the Lease, list, work, and on SIGTERM finish what is begun."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import kopf

from tenantry.client.records import Records
from tenantry.client.session import Session
from tenantry.client.tokens import TokenFile
from tenantry.settings import WrongSettingError
from tenantry_operator import handlers, ops
from tenantry_operator.access import find_access
from tenantry_operator.cache import Cache
from tenantry_operator.controller import Controller
from tenantry_operator.election import Election, LostError
from tenantry_operator.events import Recorder
from tenantry_operator.instance import Instance
from tenantry_operator.kube import Kube
from tenantry_operator.ledger import Ledger
from tenantry_operator.ops import Lifecycle
from tenantry_operator.settings import Settings
from tenantry_operator.wiring import Services

logger = logging.getLogger(__name__)


async def run(settings: Settings) -> None:
    """Be an operator until SIGTERM or SIGINT."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    lifecycle = Lifecycle()
    async with (
        open_services(settings) as services,
        ops.serve(settings.host, settings.ops_port, services.kube, lifecycle) as port,
    ):
        logger.info("metrics and probes are at http://%s:%d", settings.host, port)
        lifecycle.started = True
        async with _elected(settings, services.kube, stop, lifecycle):
            if not stop.is_set():
                await _work(services, stop)
            lifecycle.stopping = True
    logger.info("stopped")


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """All parts, and in the end their connections closed.

    Raises:
        NoAccessError: nothing says how kube-apiserver is reached.
        WrongSettingError: the CA of the API cannot be used.
    """
    kube = Kube(find_access())
    token = TokenFile(settings.api_token_file)
    try:
        session = Session(settings.api_url, token, ca=settings.api_ca_file)
    except OSError:  # ssl.SSLError is one
        raise WrongSettingError(
            f"TENANTRY_API_CA_FILE: {settings.api_ca_file} holds no CA certificate in PEM form"
        ) from None
    try:
        async with session:
            records = Records(session, settings.cluster)
            yield Services(
                kube=kube,
                cache=Cache(),
                ledger=Ledger(records, Instance(records, kube, settings.namespace), kube),
                events=Recorder(kube, settings.pod_id),
                namespace=settings.namespace,
            )
    finally:
        await kube.close()


async def _work(services: Services, stop: asyncio.Event) -> None:
    """Watch and reconcile until ``stop``; kopf puts its own handlers of signals in the place of ours."""
    controller = Controller(services, stop)
    await controller.start()
    gc.collect()
    gc.freeze()  # what is loaded by now stays: the collector need not walk through it again
    try:
        await kopf.operator(
            registry=handlers.REGISTRY,
            memo=controller,
            clusterwide=True,
            standalone=True,
            identity=None,
            stop_flag=stop,
        )
    finally:
        await controller.stop()


@asynccontextmanager
async def _elected(settings: Settings, kube: Kube, stop: asyncio.Event, lifecycle: Lifecycle) -> AsyncIterator[None]:
    """Hold the Lease inside; entered at once when there is no election, or when ``stop`` comes first."""
    if settings.leader_election == "Disabled":
        yield
        return
    election = lifecycle.election = Election(kube, settings.namespace, settings.pod_id)
    won, stopped = asyncio.create_task(election.win()), asyncio.create_task(stop.wait())
    await asyncio.wait((won, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not won.done():
        won.cancel()
        yield
        return
    won.result()
    keeper = asyncio.create_task(_keep_or_die(election))
    try:
        yield
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
        await election.release()


async def _keep_or_die(election: Election) -> None:
    try:
        await election.keep()
    except LostError as error:
        logger.critical("%s: this replica ends at once, another one may be working already", error)
        logging.shutdown()
        os._exit(1)  # nothing that is under way may be finished
