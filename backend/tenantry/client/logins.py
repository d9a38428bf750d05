"""Sign-ins of the person at this machine, in files that nobody else may read: tokens, and a kubeconfig that uses them.

Processes that need a token at the same time refresh it one after the other, under a lock: two that used one refresh
token up would look like a thief, and end the sign-in.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from tenantry.addresses import named_alike
from tenantry.client.oauth import AuthorizationServer, Tokens
from tenantry.model.errors import Code, TenantryError
from tenantry.model.names import PLATFORM_NAMESPACE

#: a token is not handed out for its last seconds, in which it could expire on its way
EARLY_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One sign-in; ``ca`` is PEM text, empty for the system's."""

    server: str
    ca: str
    token_endpoint: str
    revocation_endpoint: str
    access: str
    refresh: str
    expires_at: float

    def with_tokens(self, tokens: Tokens) -> Login:
        """The same with what a refresh has given."""
        return replace(self, access=tokens.access, refresh=tokens.refresh or self.refresh, expires_at=tokens.expires_at)


class Logins:
    """All sign-ins, by server."""

    def __init__(self, folder: Path | None = None) -> None:
        home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
        self._folder = folder or Path(home) / "tenantry"
        self._file = self._folder / "logins.json"

    @property
    def kubeconfig(self) -> Path:
        """The file for kubectl, with a context for each server."""
        return self._folder / "kubeconfig"

    def find(self, server: str) -> Login | None:
        """The sign-in at ``server``, if there is one, under whichever name of loopback."""
        return _find(self._read(), server)

    def servers(self) -> list[str]:
        """Where somebody is signed in."""
        return list(self._read())

    def elsewhere(self) -> str:
        """Where somebody is signed in, for who asked about another server; empty when that is nowhere."""
        servers = ", ".join(self.servers())
        return f" (signed in at: {servers})" if servers else ""

    def add(self, login: Login) -> None:
        """Keep ``login``, and make it the current context of the kubeconfig."""
        with self._locked():
            self._write({**self._read(), login.server: login}, current=login.server)

    def remove(self, server: str) -> str:
        """Forget the sign-in at ``server``, and with the last one the files.

        Returns:
            The server that the kubeconfig is for now, empty without one.
        """
        with self._locked():
            left = {name: login for name, login in self._read().items() if name != server}
            if left:
                self._write(left)
                return self._current(left)
            for path in (self.kubeconfig, self._file):  # kubectl would take one without contexts for localhost:8080
                path.unlink(missing_ok=True)
            return ""

    async def token(self, server: str) -> tuple[str, float]:
        """An access token for ``server``, refreshed if need be, and until when it may be used, in epoch seconds.

        Raises:
            TenantryError: ``UNAUTHENTICATED``, nobody is signed in there, or not any more.
        """
        with self._locked():
            logins = self._read()
            login = _find(logins, server)
            if login is None:
                message = f"not signed in at {server}{self.elsewhere()}: tenantry login --server {server}"
                raise TenantryError(Code.UNAUTHENTICATED, message)
            if login.expires_at - EARLY_SECONDS <= time.time():
                try:
                    async with AuthorizationServer(login.server, login.ca) as issuer:
                        login = login.with_tokens(await issuer.refresh(login.token_endpoint, login.refresh))
                except TenantryError as error:
                    if error.code is Code.UNAUTHENTICATED:
                        message = f"the sign-in has ended: tenantry login --server {server}"
                        raise TenantryError(Code.UNAUTHENTICATED, message) from None
                    raise
                self._write({**logins, login.server: login})
            return login.access, login.expires_at - EARLY_SECONDS

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _read(self) -> dict[str, Login]:
        try:
            return {server: Login(**login) for server, login in json.loads(self._file.read_text()).items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, AttributeError):
            raise TenantryError(Code.INVALID, f"{self._file} is damaged: remove it, and sign in again") from None

    def _write(self, logins: dict[str, Login], current: str = "") -> None:
        self._replace(self._file, json.dumps({server: asdict(login) for server, login in logins.items()}, indent=2))
        document = _kubeconfig(logins, current or self._current(logins))
        self._replace(self.kubeconfig, yaml.safe_dump(document, sort_keys=False))

    def _current(self, logins: dict[str, Login]) -> str:
        """The server of the current context, if somebody is still signed in there, else any."""
        try:
            name = yaml.safe_load(self.kubeconfig.read_text())["current-context"]
        except (OSError, yaml.YAMLError, KeyError, TypeError):
            name = ""
        return next((server for server in logins if _context(server) == name), next(iter(logins), ""))

    def _replace(self, path: Path, text: str) -> None:
        """Write the file whole, or not at all."""
        handle, temporary = tempfile.mkstemp(dir=self._folder, prefix=f".{path.name}.")  # mkstemp gives it mode 0600
        with os.fdopen(handle, "w") as file:
            file.write(text)
        Path(temporary).replace(path)


def _find(logins: dict[str, Login], server: str) -> Login | None:
    alike = (login for login in logins.values() if named_alike(login.server) == named_alike(server))
    return logins.get(server) or next(alike, None)


def _context(server: str) -> str:
    return urlsplit(server).netloc


def _kubeconfig(logins: dict[str, Login], current: str) -> dict[str, object]:
    """What kubectl needs: it asks ``tenantry token``, as its credential plugin, whenever it wants a token."""
    clusters, users, contexts = [], [], []
    for server, login in logins.items():
        name, ca = _context(server), login.ca
        trusted = {"certificate-authority-data": base64.b64encode(ca.encode()).decode()} if ca else {}
        clusters.append({"name": name, "cluster": {"server": server, **trusted}})
        plugin = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": sys.executable,
            "args": ["-m", "tenantry", "token", "--server", server],
            "interactiveMode": "Never",
        }
        users.append({"name": name, "user": {"exec": plugin}})
        contexts.append({"name": name, "context": {"cluster": name, "user": name, "namespace": PLATFORM_NAMESPACE}})
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": clusters,
        "users": users,
        "contexts": contexts,
        "current-context": _context(current),
    }
