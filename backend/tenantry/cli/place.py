"""Where the server is that a command talks to, and what opens it: options, variables, kubeconfigs."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from tenantry.addresses import is_loopback, named_alike
from tenantry.client import kubeconfig
from tenantry.client.credentials import NONE, Credential
from tenantry.client.logins import Logins
from tenantry.exitcodes import Exit
from tenantry.model.names import PLATFORM_NAMESPACE


class UnknownPlaceError(Exception):
    """It is not known which server to talk to, or how; ``code`` is what the process ends with."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a server is.

    Args:
        server: URL without a slash at its end.
        credential: what opens it.
        ca: as ``Session`` takes it.
        namespace: of objects which do not name theirs.
        context: of ``KUBECONFIG``, which may be about any cluster; empty for a server that was named, or is known.
    """

    server: str
    credential: Credential
    ca: Path | str | None
    namespace: str
    context: str


def find(server: str | None, token: str | None, ca_file: Path | None) -> Place:
    """The server that the options name; what they leave out comes from a kubeconfig, if one is of the same server.

    Who names a server and has signed in there is meant, whoever a kubeconfig of it is of.

    Raises:
        UnknownPlaceError: there is none, or it cannot be talked to like that.
    """
    server = server or None  # a variable of a script that is not set
    named, logins = _check(server.rstrip("/")) if server else "", Logins()
    signed_in = bool(named and not token and logins.find(named))
    try:
        known = _find_known(server)
    except kubeconfig.KubeconfigError as error:
        if not (server and (token or signed_in)):
            raise UnknownPlaceError(Exit.WRONG_SETTING, str(error)) from None
        known = None
    url = named or (_check(known.server) if known else "")
    if not url:
        start = "start one with `tenantry serve`, or name one with --server"
        message = f"no server is known: there is no {_own_kubeconfig()}; {start}"
        raise UnknownPlaceError(Exit.UNAVAILABLE, message)
    try:
        if token:
            credential = Credential(token=token)
        else:
            credential = known.credential() if known and not signed_in else _signed_in(url)
    except kubeconfig.KubeconfigError as error:
        raise UnknownPlaceError(Exit.WRONG_SETTING, str(error)) from None
    if credential is NONE:
        give = "give one with --token or TENANTRY_TOKEN, or sign in: tenantry login"
        message = f"no token for {url} is known{logins.elsewhere()}: {give}"
        raise UnknownPlaceError(Exit.DENIED, message)
    return Place(
        server=url,
        credential=credential,
        ca=ca_file or (known and known.ca) or _ca_of(url) or None,
        namespace=(known and known.namespace) or PLATFORM_NAMESPACE,
        context=known.context if known and not server and known.paths != (_own_kubeconfig(),) else "",
    )


class Located(NamedTuple):
    """The URL of a server, its CA as PEM text, empty for the system's, and what has named it, for people."""

    url: str
    ca: str
    source: str


def locate(server: str | None, ca_file: Path | None) -> Located:
    """The server that is meant.

    Raises:
        UnknownPlaceError: none is known, or it cannot be talked to.
    """
    server = server or None
    try:
        known = _find_known(server)
    except kubeconfig.KubeconfigError as error:
        if server is None:
            raise UnknownPlaceError(Exit.WRONG_SETTING, str(error)) from None
        known = None
    named = server or (known and known.server)
    if not named:
        raise UnknownPlaceError(Exit.DENIED, "nobody is signed in: tenantry login --server URL")
    url = _check(named.rstrip("/"))
    ca = ca_file.read_text(encoding="ascii") if ca_file else (known and known.ca) or _ca_of(url)
    return Located(url, ca, _source(server, known))


def goes_first() -> str:
    """The kubeconfig that commands go by which name no server, before any sign-in; empty without one."""
    try:
        known = _find_known(None)
    except kubeconfig.KubeconfigError:
        return ""
    return _shown(known) if known else ""


def _source(server: str | None, known: kubeconfig.Access | None) -> str:
    if known and not server:
        return _shown(known)
    return "TENANTRY_SERVER" if server == os.environ.get("TENANTRY_SERVER", "").strip() else "--server"


def _shown(known: kubeconfig.Access) -> str:
    """The files of a kubeconfig, as ``KUBECONFIG`` names them."""
    return os.pathsep.join(map(str, known.paths))


def _signed_in(url: str) -> Credential:
    """The credential of who has signed in at ``url``, if anybody has."""
    logins = Logins()
    if logins.find(url) is None:
        return NONE
    token, _ = asyncio.run(logins.token(url))
    return Credential(token=token)


def _ca_of(url: str) -> str:
    found = Logins().find(url)
    return found.ca if found else ""


def _find_known(server: str | None) -> kubeconfig.Access | None:
    """What the first kubeconfig says that there is, or the first of ``server``.

    That of a data directory which was named comes before ``KUBECONFIG``, and that of .tenantry after it; the one of
    `tenantry login` is the last.

    Raises:
        KubeconfigError: one cannot be used, or ``KUBECONFIG`` names none that is there: what follows is not meant then.
    """
    theirs = tuple(map(Path, filter(None, os.environ.get("KUBECONFIG", "").split(os.pathsep))))
    candidates = [(_own_kubeconfig(),), theirs]
    first = candidates if os.environ.get("TENANTRY_DATA_DIR") else reversed(candidates)
    for paths in (*first, (Logins().kubeconfig,)):
        try:
            access = kubeconfig.read(*paths)
        except FileNotFoundError:
            if paths and paths == theirs:
                missing = " and no ".join(map(str, paths))
                message = f"KUBECONFIG: there is no {missing}"
                if Logins().kubeconfig in paths:
                    message += ": nobody is signed in any more: unset it, or tenantry login --server URL"
                raise kubeconfig.KubeconfigError(message) from None
            continue
        except kubeconfig.KubeconfigError as error:
            if paths == (Logins().kubeconfig,):
                raise kubeconfig.KubeconfigError(f"{error}: tenantry login --server URL makes it anew") from None
            raise
        if server is None or named_alike(access.server) == named_alike(server.rstrip("/")):
            return access
    return None


def _own_kubeconfig() -> Path:
    """What ``tenantry serve`` writes."""
    return Path(os.environ.get("TENANTRY_DATA_DIR") or ".tenantry") / "kubeconfig"


def _check(server: str) -> str:
    if not server.startswith(("http://", "https://")):
        message = f"--server: {server} is no URL such as https://tenantry.example.com"
        raise UnknownPlaceError(Exit.WRONG_SETTING, message)
    try:
        parts = urlsplit(server)
        _ = parts.port  # looked at only when it is asked for
    except ValueError as error:
        raise UnknownPlaceError(Exit.WRONG_SETTING, f"--server: {server} is no URL: {error}") from None
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        message = f"--server: the token would go to {server} in clear text; use https, or a port-forward to loopback"
        raise UnknownPlaceError(Exit.WRONG_SETTING, message)
    return server
