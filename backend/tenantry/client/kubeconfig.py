"""Kubeconfigs as far as they matter here: where a server is, which CA it has, and what opens it.

Several files are one, as they are to kubectl: the first that has a name counts, and paths are relative to their file.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from tenantry.client.credentials import NONE, Credential, CredentialError, Plugin
from tenantry.client.tokens import TokenFile

#: what changes how a server is reached or who somebody is, and is not known here
_UNSUPPORTED = {
    "cluster": ("insecure-skip-tls-verify", "proxy-url", "tls-server-name"),
    "user": ("auth-provider", "username", "password", "as", "as-uid", "as-groups", "as-user-extra"),
}


class KubeconfigError(ValueError):
    """It cannot be used; the text is one line that says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the current context gives.

    Args:
        paths: the files.
        context: its name.
        server: URL without a slash at its end.
        ca: PEM text, empty for the system's CAs.
        namespace: empty when none is named.
        credential: what opens the server; to find out may run a program. Raises :class:`KubeconfigError`.
    """

    paths: tuple[Path, ...]
    context: str
    server: str
    ca: str
    namespace: str
    credential: Callable[[], Credential] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A named cluster, user or context, and the folder that its paths begin in."""

    content: Mapping[str, Any]
    folder: Path

    def read(self, key: str) -> str:
        """The text in ``<key>-data``, or in the file that ``key`` names; empty when it has neither."""
        if data := self.content.get(f"{key}-data"):
            return base64.b64decode(data, validate=True).decode()
        if path := self.content.get(key):
            return Path(self.folder, path).read_text(encoding="ascii")
        return ""


def read(*paths: Path) -> Access:
    """The access that the current context of a kubeconfig gives, whose later files complete the first.

    Raises:
        FileNotFoundError: there is none of them.
        KubeconfigError: one cannot be read, is none, or says what is not supported.
    """
    named = os.pathsep.join(map(str, paths))
    there = [path for path in paths if path.exists()]
    if not there:
        raise FileNotFoundError(named)
    try:
        loaded = [(yaml.safe_load(path.read_bytes()), path.parent) for path in there]
        documents = [(document, folder) for document, folder in loaded if document is not None]
        current = next(name for document, _ in documents if (name := document.get("current-context")))
        context = _find(documents, "context", current)
        cluster = _find(documents, "cluster", context.content["cluster"])
        user = _find(documents, "user", context.content["user"])
        return Access(
            paths=paths,
            context=str(current),
            server=cluster.content["server"].rstrip("/"),
            ca=cluster.read("certificate-authority"),
            namespace=context.content.get("namespace", ""),
            credential=lambda: _credential(named, user, cluster.content),
        )
    except KubeconfigError:
        raise
    except OSError as error:
        raise KubeconfigError(f"cannot read {error.filename or named}: {error.strerror}") from None
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, StopIteration, ValueError):
        raise KubeconfigError(f"{named} is no kubeconfig with a server and a token in its current context") from None


def _find(documents: Sequence[tuple[Any, Path]], part: str, name: str) -> _Entry:
    entries = [(entry, folder) for document, folder in documents for entry in document.get(f"{part}s") or ()]
    content, folder = next((entry[part], folder) for entry, folder in entries if entry["name"] == name)
    for key in _UNSUPPORTED.get(part, ()):
        if content.get(key):
            raise KubeconfigError(f'the {part} "{name}" of the kubeconfig has {key}, which is not supported')
    return _Entry(content, folder)


def _credential(named: str, user: _Entry, cluster: Mapping[str, Any]) -> Credential:
    try:
        certificate = user.read("client-certificate")
        own = Credential(certificate=(certificate, user.read("client-key"))) if certificate else NONE
        if path := user.content.get("tokenFile"):
            found = replace(own, token=TokenFile(user.folder / path))
        elif token := user.content.get("token"):
            found = replace(own, token=str(token))
        elif plugin := user.content.get("exec"):
            told = Plugin(plugin, user.folder, cluster).run()
            found = told if told.certificate else replace(own, token=told.token)
        else:
            found = own
    except CredentialError as error:
        raise KubeconfigError(str(error)) from None
    except OSError as error:
        raise KubeconfigError(f"cannot read {error.filename}: {error.strerror}") from None
    except (KeyError, TypeError, AttributeError, binascii.Error, UnicodeDecodeError):
        raise KubeconfigError(f"{named} has a user whose credential is not as it must be") from None
    return found
