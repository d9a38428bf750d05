"""Commands that talk to a server: which one, with what token, and how its errors end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tenantry.cli.connection import options
from tenantry.cli.exits import exit_of, fail, line_of
from tenantry.client import kubeconfig
from tenantry.client.resources import Query, Resources
from tenantry.client.session import Session
from tenantry.client.tenants import Tenants
from tenantry.exitcodes import Exit
from tenantry.model.errors import Code, TenantryError
from tenantry.model.kinds import Kind
from tenantry.model.names import PLATFORM_NAMESPACE
from tenantry.settings import is_loopback

#: field manager of what is applied with this program
MANAGER = "tenantry-cli"
#: how long somebody waits who has pressed the tab key
_SHELL_SECONDS = 2.0


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


class _UnknownError(Exception):
    """It is not known which server to talk to, or how; ``code`` is what the process ends with."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code


def call(
    function: Callable[..., Coroutine[Any, Any, None]],
    *args: Any,
    server: str | None,
    token: str | None,
    ca_file: Path | None,
    **kwargs: Any,
) -> None:
    """Run a function that takes a :class:`Remote` first; its errors end in one line."""
    try:
        place = _find(server, token, ca_file)
    except _UnknownError as error:
        fail(error, error.code)
    try:
        asyncio.run(_call(place, function, args, kwargs))
    except TenantryError as error:
        fail(_explain(place, error), exit_of(error))
    except KeyboardInterrupt:
        fail("interrupted", Exit.INTERRUPTED)


def remote(function: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A command of an asynchronous function that takes a :class:`Remote` first."""

    @options
    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        call(function, *args, **kwargs)

    return run


def list_names(kind: Kind, parameters: Mapping[str, Any]) -> list[str]:
    """The names of a kind's objects, for the shell."""

    async def names(target: Remote) -> list[str]:
        inside = parameters.get("namespace") or target.namespace
        query = Query(kind, inside if kind.namespaced else "")
        return [row["object"]["metadata"]["name"] for row in (await target.resources.table(query)).rows]

    return _list(names, parameters)


def list_tombstones(parameters: Mapping[str, Any]) -> list[str]:
    """The names of deleted tenants, for the shell."""

    async def names(target: Remote) -> list[str]:
        return [each["name"] async for each in Tenants(target.session).tombstones()]

    return _list(names, parameters)


def _list(names: Callable[[Remote], Awaitable[list[str]]], parameters: Mapping[str, Any]) -> list[str]:
    """What a server lists: at once or not at all, and without a word when there is trouble."""
    found: list[str] = []

    async def collect(target: Remote) -> None:
        found.extend(await names(target))

    with suppress(_UnknownError, TenantryError, TimeoutError):
        place = _find(*(parameters.get(option) for option in ("server", "token", "ca_file")))
        asyncio.run(asyncio.wait_for(_call(place, collect, (), {}), _SHELL_SECONDS))
    return found


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
            raise _UnknownError(Exit.WRONG_SETTING, str(error)) from None
        known = None
    if server is None:
        if known is None:
            start = "start one with `tenantry serve`, or name one with --server"
            raise _UnknownError(Exit.UNAVAILABLE, f"no server is known: there is no {path}; {start}")
        server = known.server
    server = server.rstrip("/")
    if not server.startswith(("http://", "https://")):
        raise _UnknownError(Exit.WRONG_SETTING, f"--server: {server} is no URL such as https://tenantry.example.com")
    parts = urlsplit(server)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        message = f"--server: the token would go to {server} in clear text; use https, or a port-forward to loopback"
        raise _UnknownError(Exit.WRONG_SETTING, message)
    if known is None or known.server != server:
        if not token:
            message = f"no token for {server} is known: give one with --token or TENANTRY_TOKEN"
            raise _UnknownError(Exit.DENIED, message)
        return _Place(server, token, ca_file, PLATFORM_NAMESPACE)
    return _Place(server, token or known.token, ca_file or known.ca or None, known.namespace or PLATFORM_NAMESPACE)


def _explain(place: _Place, error: TenantryError) -> str:
    if error.code is Code.UNAUTHENTICATED:
        return f"{place.server} does not accept the token: {error}"
    return line_of(error)
