"""What opens a server, and the programs that kubeconfigs name to get it (client.authentication.k8s.io)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tenantry.client.tokens import Token

_VERSIONS = tuple(f"client.authentication.k8s.io/{version}" for version in ("v1", "v1beta1"))


class CredentialError(ValueError):
    """There is no credential; the text is one line that says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A bearer token, or a client certificate and its key as PEM text, or both."""

    token: Token | None = field(default=None, repr=False)
    certificate: tuple[str, str] | None = field(default=None, repr=False)


#: anybody's
NONE = Credential()


class Plugin:
    """The ``exec`` of a user.

    Args:
        content: it.
        folder: where a relative command begins.
        cluster: the cluster's entry, for a program that wants it.
    """

    def __init__(self, content: Mapping[str, Any], folder: Path, cluster: Mapping[str, Any]) -> None:
        self._command = str(content["command"])
        self._arguments = list(map(str, content.get("args") or ()))
        self._environment = {str(each["name"]): str(each["value"]) for each in content.get("env") or ()}
        self._version = content["apiVersion"]
        self._mode = content.get("interactiveMode", "IfAvailable")
        self._hint = str(content.get("installHint") or "")
        self._cluster = dict(cluster) if content.get("provideClusterInfo") else None
        self._folder = folder

    def run(self) -> Credential:
        """The credential that the program tells, which may ask whoever sits there.

        Raises:
            CredentialError: it told none.
        """
        if self._version not in _VERSIONS:
            raise self._wrong(f"is of {self._version}, and must be of {' or '.join(_VERSIONS)}")
        interactive = self._mode != "Never" and sys.stdin.isatty()
        if self._mode == "Always" and not interactive:
            raise self._wrong("wants a terminal, and standard input is none")
        command = self._command
        if os.sep in command:
            command = str(self._folder / command)
        try:
            done = subprocess.run(  # noqa: S603 - the kubeconfig's owner wants it
                [command, *self._arguments],
                env={**os.environ, **self._environment, "KUBERNETES_EXEC_INFO": self._info(interactive=interactive)},
                stdin=None if interactive else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                check=False,
            )
        except OSError as error:
            raise self._wrong(f"cannot be run: {error.strerror}. {self._hint}".rstrip(". ")) from None
        if done.returncode:
            raise self._wrong(f"ended with {done.returncode}")
        return self._read(done.stdout)

    def _info(self, *, interactive: bool) -> str:
        spec: dict[str, Any] = {"interactive": interactive}
        if self._cluster is not None:
            spec["cluster"] = self._cluster
        return json.dumps({"apiVersion": self._version, "kind": "ExecCredential", "spec": spec})

    def _read(self, output: bytes) -> Credential:
        try:
            told = json.loads(output)
            what, status = (told["apiVersion"], told["kind"]), told["status"]
            token = status.get("token")
            certificate, key = status.get("clientCertificateData"), status.get("clientKeyData")
        except (ValueError, KeyError, TypeError, AttributeError):
            what, token, certificate, key = ("", ""), None, None, None
        if what != (self._version, "ExecCredential"):
            raise self._wrong(f"told no ExecCredential of {self._version}")
        if not token and not (certificate and key):
            raise self._wrong("told neither a token nor a certificate with its key")
        return Credential(token=token or None, certificate=(certificate, key) if certificate and key else None)

    def _wrong(self, what: str) -> CredentialError:
        return CredentialError(f"the credential plugin {self._command} {what}")
