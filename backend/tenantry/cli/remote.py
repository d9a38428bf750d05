"""Commands that talk to a server: which one, with what token, and how its errors end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

from tenantry.cli.connection import options
from tenantry.cli.exits import exit_of, fail, line_of
from tenantry.cli.place import Place, UnknownPlaceError, find
from tenantry.client.errors import UnreachableError
from tenantry.client.resources import Query, Resources
from tenantry.client.session import Request, Session
from tenantry.client.tenants import Tenants
from tenantry.exitcodes import Exit
from tenantry.model.errors import Code, TenantryError
from tenantry.model.kinds import Kind

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
        place = find(server, token, ca_file)
        try:
            asyncio.run(_call(place, function, args, kwargs))
        except TenantryError as error:
            fail(_explain(place, error), exit_of(error))
    except UnknownPlaceError as error:
        fail(error, error.code)
    except TenantryError as error:  # of the sign-in there
        fail(error, exit_of(error))
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

    with suppress(UnknownPlaceError, TenantryError, TimeoutError):
        place = find(*(parameters.get(option) for option in ("server", "token", "ca_file")))
        asyncio.run(asyncio.wait_for(_call(place, collect, (), {}), _SHELL_SECONDS))
    return found


async def _call(place: Place, function: Callable[..., Coroutine[Any, Any, None]], args: Any, kwargs: Any) -> None:
    credential = place.credential
    try:
        session = Session(place.server, credential.token, ca=place.ca, certificate=credential.certificate)
    except OSError:  # ssl.SSLError is one
        message = f"the CA for {place.server}, or the client certificate, is not in PEM form"
        raise UnknownPlaceError(Exit.WRONG_SETTING, message) from None
    async with session:
        if place.context:
            await _check_kind(session, place)
        await function(Remote(session, Resources(session, MANAGER), place.namespace), *args, **kwargs)


async def _check_kind(session: Session, place: Place) -> None:
    """See that ``KUBECONFIG`` is about a server of ours: most are about a cluster, which has half of the paths too."""
    found = await session.send(Request(method="GET", path="/version"))
    version = found.get("gitVersion", "") if isinstance(found, dict) else ""
    if "+tenantry-" not in version:
        message = (
            f'the current context of KUBECONFIG, "{place.context}", is the Kubernetes cluster {version} at '
            f"{place.server}, and no Tenantry server, which alone has /v1: choose another, or name one with --server"
        )
        raise UnknownPlaceError(Exit.WRONG_SETTING, message)


def _explain(place: Place, error: TenantryError) -> str:
    line = line_of(error)
    if error.code is Code.UNAUTHENTICATED:
        line = f"{place.server} does not accept the token: {error}"
    elif not isinstance(error, UnreachableError):
        return line
    return f'{line}; it is the server of the context "{place.context}" of KUBECONFIG' if place.context else line
