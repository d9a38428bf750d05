"""Commands that talk to a server: which one, with what token, and how its errors end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from tenantry.cli.exits import Exit, exit_of, fail
from tenantry.client import kubeconfig
from tenantry.client.resources import Resources
from tenantry.client.session import Session
from tenantry.model.errors import Code, TenantryError

#: field manager of what is applied with this program
MANAGER = "tenantry-cli"
#: of objects that do not name theirs, when no kubeconfig says another
NAMESPACE = "tenantry-system"


@dataclass(frozen=True, slots=True)
class Remote:
    """A server to talk to; ``namespace`` is that of objects which do not name theirs."""

    session: Session
    resources: Resources
    namespace: str


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a server is; ``ca`` as :class:`Session` takes it."""

    server: str
    token: str
    ca: Path | str | None
    namespace: str


def remote(function: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A command of an asynchronous function, which gets a :class:`Remote` first; its errors end in one line."""

    @click.option("--server", envvar="TENANTRY_SERVER", metavar="URL", help="Where the server is. [TENANTRY_SERVER]")
    @click.option(
        "--token",
        envvar="TENANTRY_TOKEN",
        help="Its token; the variable keeps it out of the list of processes. [TENANTRY_TOKEN]",
    )
    @click.option(
        "--ca-file",
        envvar="TENANTRY_CA_FILE",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="CA that signed its certificate; the system's by default. [TENANTRY_CA_FILE]",
    )
    @wraps(function)
    def run(*args: Any, server: str | None, token: str | None, ca_file: Path | None, **kwargs: Any) -> None:
        place = _find(server, token, ca_file)
        try:
            asyncio.run(_call(place, function, args, kwargs))
        except TenantryError as error:
            fail(_explain(place, error), exit_of(error))

    return run


async def _call(place: _Place, function: Callable[..., Coroutine[Any, Any, None]], args: Any, kwargs: Any) -> None:
    try:
        session = Session(place.server, place.token, ca=place.ca)
    except OSError:  # ssl.SSLError is one
        fail("--ca-file: it holds no CA certificate in PEM form", Exit.WRONG_SETTING)
    async with session:
        await function(Remote(session, Resources(session, MANAGER), place.namespace), *args, **kwargs)


def _find(server: str | None, token: str | None, ca_file: Path | None) -> _Place:
    """The server that the options name; what they leave out comes from the kubeconfig, if it is of the same server."""
    path = Path(os.environ.get("TENANTRY_DATA_DIR") or ".tenantry") / "kubeconfig"
    try:
        known = kubeconfig.read(path)
    except FileNotFoundError:
        known = None
    except kubeconfig.KubeconfigError as error:
        if not (server and token):
            fail(error, Exit.WRONG_SETTING)
        known = None
    if server is None:
        if known is None:
            fail(
                f"no server is known: there is no {path}; start one with `tenantry serve`, or name one with --server",
                Exit.UNAVAILABLE,
            )
        server = known.server
    server = server.rstrip("/")
    if not server.startswith(("http://", "https://")):
        fail(f"--server: {server} is no URL such as https://tenantry.example.com", Exit.WRONG_SETTING)
    if known is None or known.server != server:
        if not token:
            fail(f"no token for {server} is known: give one with --token or TENANTRY_TOKEN", Exit.DENIED)
        return _Place(server, token, ca_file, NAMESPACE)
    return _Place(server, token or known.token, ca_file or known.ca or None, known.namespace or NAMESPACE)


def _explain(place: _Place, error: TenantryError) -> str:
    if error.code is Code.UNAUTHENTICATED:
        return f"{place.server} does not accept the token: {error}"
    return str(error)
