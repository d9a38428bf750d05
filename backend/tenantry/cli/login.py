"""``tenantry login``, ``logout`` and ``token``: who sits at this machine, for its commands and for kubectl."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import webbrowser
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click

from tenantry.cli import connection
from tenantry.cli.exits import exit_of, fail
from tenantry.cli.place import UnknownPlaceError, goes_first, locate
from tenantry.client.logins import Login, Logins
from tenantry.client.oauth import PATIENCE_SECONDS, AuthorizationServer, Endpoints, Tokens
from tenantry.client.session import Request, Session
from tenantry.exitcodes import Exit
from tenantry.model.errors import TenantryError


def _asynchronous(function: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A command of an asynchronous function; errors end in one line."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            asyncio.run(function(*args, **kwargs))
        except TenantryError as error:
            fail(error, exit_of(error))
        except UnknownPlaceError as error:
            fail(error, error.code)
        except OSError as error:  # of the files; ssl.SSLError is one
            fail(f"{error.filename or 'the CA'}: {error.strerror or error}", Exit.WRONG_SETTING)
        except KeyboardInterrupt:
            fail("interrupted", Exit.INTERRUPTED)

    return run


@click.command()
@connection.server
@connection.ca_file
@click.option("--device", is_flag=True, help="With a browser on another machine: show a code to enter there.")
@_asynchronous
async def login(server: str | None, ca_file: Path | None, *, device: bool) -> None:
    """Sign in at a server through the browser, for this program and for kubectl.

    It waits for five minutes, with --device for as long as the code works, and ends with 77 when nobody has signed in
    by then. The tokens are kept below ~/.config/tenantry and refreshed when they are needed. A kubeconfig there lets
    kubectl work as you, with `tenantry token` as its credential plugin. With --device nobody becomes the platform's
    administrator: that needs the browser of this machine.

    \b
    Examples:
      tenantry login --server https://tenantry.example.com
      tenantry login --device
    """
    url, ca, source = locate(server, ca_file)
    async with AuthorizationServer(url, ca) as issuer:
        endpoints = await issuer.discover()
        click.echo(f"Signing in at {url}, which {source} names.", err=True)
        tokens = await (_by_device(issuer, endpoints) if device else issuer.sign_in(endpoints, _open))
    async with Session(url, tokens.access, ca=ca or None) as session:
        me = await session.send(Request(method="GET", path="/v1/me"))
    logins = Logins()
    logins.add(
        Login(
            server=url,
            ca=ca,
            token_endpoint=endpoints.token,
            revocation_endpoint=endpoints.revocation,
            access=tokens.access,
            refresh=tokens.refresh,
            expires_at=tokens.expires_at,
        )
    )
    click.echo(f"You are signed in at {url} as {_name(me)}. For kubectl:\n\n  export KUBECONFIG={logins.kubeconfig}\n")
    first = goes_first()
    if first and first != str(logins.kubeconfig):
        click.echo(f"Commands of this program go by {first} here; with --server {url} by this sign-in.", err=True)


@click.command()
@connection.server
@_asynchronous
async def logout(server: str | None) -> None:
    """Sign out: this machine forgets the tokens, and the server takes them back.

    When the server cannot be reached they are forgotten all the same, and the command fails and says where to take them
    back. The kubeconfig of `tenantry login` goes with the last sign-in; as long as there are others, it is for one of
    them.

    \b
    Example:
      tenantry logout --server https://tenantry.example.com
    """
    url = locate(server, None).url
    logins = Logins()
    found = logins.find(url)
    if found is None:
        click.echo(f"Nobody is signed in at {url}{logins.elsewhere()}.", err=True)
        return
    left = logins.remove(found.server)
    became = f"is for {left} now" if left else "is removed: unset KUBECONFIG if it names that"
    click.echo(f"The kubeconfig {logins.kubeconfig} {became}.", err=True)
    try:
        async with AuthorizationServer(found.server, found.ca) as issuer:
            await issuer.revoke(found.revocation_endpoint, found.refresh)
    except TenantryError as error:
        where = f"they are forgotten here, and you take them back at {found.server}/account/grants"
        fail(f"the server did not hear that its tokens are not wanted any more: {where}: {error}", exit_of(error))
    click.echo(f"You are signed out of {found.server}.")


@click.command()
@connection.server
@_asynchronous
async def token(server: str | None) -> None:
    """Print an access token of who is signed in; for kubectl as an ExecCredential.

    `tenantry login` writes the kubeconfig that calls it. It lasts for 15 minutes; whoever needs one for longer makes an
    API key.

    \b
    Example:
      curl --header "Authorization: Bearer $(tenantry token)" https://tenantry.example.com/v1/me
    """
    url = locate(server, None).url
    access, expires_at = await Logins().token(url)
    asked = os.environ.get("KUBERNETES_EXEC_INFO")
    click.echo(_exec_credential(json.loads(asked)["apiVersion"], access, expires_at) if asked else access)


def _open(url: str) -> None:
    within = f"within {PATIENCE_SECONDS / 60:.0f} minutes"
    click.echo(
        f"Sign in in your browser and allow it there {within}; if none opens, go there "
        f"on this machine (from any other, --device):\n\n  {url}\n",
        err=True,
    )
    # it may wait for the browser, and that for us
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


async def _by_device(issuer: AuthorizationServer, endpoints: Endpoints) -> Tokens:
    def show(page: str, code: str) -> None:
        click.echo(f"Open {page} in any browser, sign in, and enter:\n\n  {code}\n", err=True)

    return await issuer.connect(endpoints, show)


def _name(me: dict[str, Any]) -> str:
    user, tenant = me.get("user") or {}, me.get("tenant")
    name = user.get("email") or me["name"]
    return f"{name}, in the tenant {tenant['name']}" if isinstance(tenant, dict) else name


def _exec_credential(version: str, access: str, expires_at: float) -> str:
    until = datetime.fromtimestamp(expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    status = {"token": access, "expirationTimestamp": until}
    return json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": status})
