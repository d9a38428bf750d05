"""The process: listeners, start and end."""

from __future__ import annotations

import asyncio
import gc
import logging
import re
import shlex
import shutil
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tenantry import __version__, metrics, termination
from tenantry.datadir import PAGES_URL, DataDirectoryError
from tenantry.model.errors import TenantryError
from tenantry.services.machines.local_admin import ACTOR as LOCAL_ADMINISTRATOR
from tenantry.services.machines.local_admin import local_token
from tenantry.services.setbacks import Setbacks
from tenantry.settings import PortError, Settings, WrongSettingError
from tenantry.web.app import ROUTES, create_app
from tenantry.web.health import Lifecycle, NotYetError, check_database, create_ops_app
from tenantry.web.kubeconfig import write_kubeconfig
from tenantry.web.listener import Listener
from tenantry.web.routes import DRAINING, Route
from tenantry.web.tls import CA_CERTIFICATE, Certificate, local_certificate
from tenantry.wiring import Services, open_services

_CERTIFICATE_SECONDS = 60.0
_LAG_SECONDS = 1.0
#: loopback, and every address, which is none that can be opened
_HERE = re.compile(r"//(127\.0\.0\.1|\[::1\]|0\.0\.0\.0|\[::\]):")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server. URLs have no trailing slash; ``tls_url`` is empty when there is no HTTPS."""

    services: Services
    url: str
    tls_url: str
    ops_url: str
    started: asyncio.Event  # the database is ready, and on loopback the kubeconfig is written

    @property
    def pages_url(self) -> str:
        """Where people open our pages: cookies belong to a name, so it is the same one in every link."""
        return self.services.settings.external_url or f"http://localhost:{urlsplit(self.url).port}"

    @property
    def kubeconfig(self) -> Path:
        """Where the kubeconfig of a server on loopback is."""
        return self.services.directory.path / "kubeconfig"


@asynccontextmanager
async def run(settings: Settings, routes: Iterable[Route] = ROUTES) -> AsyncIterator[Server]:
    """A server that listens until the context ends, and then lets what it is doing finish.

    Raises:
        PortError, WrongSettingError, DataDirectoryError, TenantryError: it cannot start.
    """
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(open_services(settings))
        stack.enter_context(services.directory.held())
        certificate = _certificate(services)
        lifecycle = Lifecycle()
        ops = await stack.enter_async_context(Listener(create_ops_app(services, lifecycle)))
        ops_url = await _listen(ops, settings, "OPS_PORT", settings.ops_port)
        app = create_app(services, routes)
        api = await stack.enter_async_context(Listener(app))
        url = await _listen(api, settings, "PORT", settings.port)
        tls_url = ""
        if certificate:
            tls_url = await _listen(api, settings, "TLS_PORT", settings.tls_port, certificate.context)
        server = Server(services=services, url=url, tls_url=tls_url, ops_url=ops_url, started=asyncio.Event())
        loops = (services.feed, services.worker, services.admins, services.sealer, services.rate_exchange)
        work = [_start_up(server, lifecycle), _watch_lag(), *(_once_started(server, each.run) for each in loops)]
        if certificate:
            work.append(_renew(certificate, services))
        stack.push_async_callback(_cancel, [_in_background(each, lifecycle) for each in work])
        stack.push_async_callback(_drain, app[DRAINING], lifecycle, settings.drain_seconds)
        yield server


async def serve(settings: Settings) -> None:
    """Run a server until SIGTERM or SIGINT, and print where it is. A second signal ends it at once."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, stop, loop, number)
    async with run(settings) as server:
        _print_addresses(server)
        hint = asyncio.create_task(_print_hint(server))
        await stop.wait()
        hint.cancel()
    logger.info("stopped")


def _stop(stop: asyncio.Event, loop: asyncio.AbstractEventLoop, number: signal.Signals) -> None:
    logger.info("stopping on %s", number.name)
    stop.set()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(each)
    termination.end_on_sigterm()


def _certificate(services: Services) -> Certificate | None:
    settings = services.settings
    if settings.tls_cert_file and settings.tls_key_file:
        try:
            return Certificate(settings.tls_cert_file, settings.tls_key_file)
        except ssl.SSLError:
            files = f"{settings.tls_cert_file} and {settings.tls_key_file}"
            raise WrongSettingError(f"TENANTRY_TLS_CERT_FILE: {files} are no certificate and its key, as PEM") from None
    if settings.on_loopback:
        return Certificate(*local_certificate(services.directory))
    return None


async def _listen(
    listener: Listener, settings: Settings, variable: str, port: int, context: ssl.SSLContext | None = None
) -> str:
    """Listen and return the URL, with the port that was taken for 0."""
    try:
        taken = await listener.listen(settings.host, port, context)
    except OSError as error:
        raise PortError(variable, settings.host, port, error) from None
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{'https' if context else 'http'}://{host}:{taken}"


async def _start_up(server: Server, lifecycle: Lifecycle) -> None:
    """Wait for the database, then give a laptop its kubeconfig."""
    services = server.services
    setbacks = Setbacks(logger, "waiting for the database", (NotYetError, TenantryError))
    obstacles = Setbacks(logger, "waiting for the data directory", (DataDirectoryError,))
    mistakes = Setbacks(logger, "the server cannot start", (WrongSettingError,))
    while not lifecycle.started:
        try:
            await check_database(services)
            await services.signing_keys.check()
            if services.settings.on_loopback:
                token = await local_token(services.db, services.directory)
                ca = services.directory.read(CA_CERTIFICATE) or b""
                write_kubeconfig(services.directory, server.tls_url, ca, token)
                services.directory.write(PAGES_URL, server.pages_url.encode())
            # what is loaded by now stays: the collector need not walk through it again (15 us a request)
            gc.collect()
            gc.freeze()
            lifecycle.started = True
            server.started.set()
        except DataDirectoryError as error:
            await obstacles.wait(error)
        except WrongSettingError as error:
            await mistakes.wait(error)
        except Exception as error:  # noqa: BLE001 - whatever the database says, it may be well again
            await setbacks.wait(error)


def _in_background(work: Coroutine[None, None, None], lifecycle: Lifecycle) -> asyncio.Task[None]:
    def complain(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            lifecycle.failed = True
            logger.critical("background work ended: %r", work, exc_info=error)

    task = asyncio.create_task(work)
    task.add_done_callback(complain)
    return task


async def _once_started(server: Server, loop: Callable[[], Coroutine[None, None, None]]) -> None:
    await server.started.wait()
    await loop()


async def _drain(draining: asyncio.Event, lifecycle: Lifecycle, seconds: float) -> None:
    """Send clients elsewhere: a connection that is kept alive would be cut in the middle of its next request."""
    lifecycle.stopping = True
    draining.set()
    await asyncio.sleep(seconds)


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _renew(certificate: Certificate, services: Services) -> None:
    """Keep the certificate fresh: renew our own in time, read a deployment's again when it was replaced."""
    while True:
        await asyncio.sleep(_CERTIFICATE_SECONDS)
        try:
            if services.settings.tls_cert_file is None:
                local_certificate(services.directory)
            if certificate.refresh():
                logger.info("read the certificate again")
        except (OSError, DataDirectoryError) as error:  # ssl.SSLError is an OSError
            logger.error("the certificate stays as it was: %s", error)  # noqa: TRY400


async def _watch_lag() -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _LAG_SECONDS
        await asyncio.sleep(_LAG_SECONDS)
        metrics.LOOP_LAG.observe(max(0.0, loop.time() - due))


def _print_addresses(server: Server) -> None:
    lines = [f"Tenantry {__version__} is listening.", ""]
    if external_url := server.services.settings.external_url:
        lines.append(f"  URL      {external_url}")
    if server.tls_url:
        lines.append(f"  HTTPS    {_to_open(server.tls_url)}")
    lines += [
        f"  HTTP     {_to_open(server.url)}",
        f"  Metrics  {_to_open(server.ops_url)}/metrics",
        f"  Sign in  {server.pages_url}/login",
        "",
    ]
    print("\n".join(lines), flush=True)  # noqa: T201 - for whoever started it, not for the log


def _to_open(url: str) -> str:
    """``url`` as it can be opened on this machine, or in this container, by the one name that links have."""
    return _HERE.sub("//localhost:", url)


async def _print_hint(server: Server) -> None:
    await server.started.wait()
    on_loopback = server.services.settings.on_loopback
    await (_print_setup_link if on_loopback and sys.stdout.isatty() else _print_way_in)(server)
    if on_loopback:
        print(  # noqa: T201
            f"Your kubeconfig is {server.kubeconfig}. Try it in another terminal:\n\n"
            f"  kubectl --kubeconfig {shlex.quote(str(server.kubeconfig))} get tenants\n",
            flush=True,
        )


async def _print_setup_link(server: Server) -> None:
    """Let whoever sits before the terminal be the first administrator, while there is none."""
    try:
        token = await server.services.accounts.setup_link(LOCAL_ADMINISTRATOR)
    except TenantryError:  # there are users already, or the database is away
        return
    print(  # noqa: T201 - and never to the log
        f"Nobody can sign in yet. Open this within 15 minutes to make your account; it works once:\n\n"
        f"  {server.pages_url}/setup/{token}\n",
        flush=True,
    )


async def _print_way_in(server: Server) -> None:
    """Say who gets that link where others may read what is printed here: whoever can run a command beside us."""
    settings = server.services.settings
    same = ", with the same TENANTRY_DATABASE_URL," if settings.database_url.get_secret_value() else ""  # a secret
    with suppress(TenantryError):  # the database is away
        if await server.services.accounts.are_none():
            print(  # noqa: T201
                f"There is no account yet. A link for the first one, which works once, is printed{same} by:\n\n"
                f"  {as_here(settings)} admin setup-link\n",
                flush=True,
            )


def as_here(settings: Settings) -> str:
    """This program as it was started, to be pasted on this machine; elsewhere others find it, and have its settings."""
    if not settings.on_loopback:
        return "tenantry"
    words = [sys.argv[0]]
    if Path(sys.argv[0]).name == "__main__.py":
        words = [sys.executable, "-m", "tenantry"]
    elif shutil.which("tenantry") == sys.argv[0]:
        words = ["tenantry"]
    folder = shlex.quote(str(settings.data_dir))
    return ("" if folder == ".tenantry" else f"TENANTRY_DATA_DIR={folder} ") + shlex.join(words)
