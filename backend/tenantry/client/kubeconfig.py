"""A kubeconfig as far as it matters here: where the server is, which CA it has, which token opens it."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


class KubeconfigError(ValueError):
    """The file cannot be used; the text is one line that says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the current context of a kubeconfig gives; ``ca`` is PEM text, empty for the system's CAs."""

    server: str
    token: str
    ca: str
    namespace: str


def read(path: Path) -> Access:
    """The access that a kubeconfig of one token gives, such as a server on loopback writes.

    Raises:
        FileNotFoundError: there is none.
        KubeconfigError: it cannot be read, or has another form.
    """
    try:
        document = yaml.safe_load(path.read_bytes())
        context = _named(document, "context", document["current-context"])
        cluster = _named(document, "cluster", context["cluster"])
        user = _named(document, "user", context["user"])
        return Access(
            server=cluster["server"].rstrip("/"),
            token=user["token"],
            ca=base64.b64decode(cluster.get("certificate-authority-data", "")).decode(),
            namespace=context.get("namespace", ""),
        )
    except FileNotFoundError:
        raise
    except OSError as error:
        raise KubeconfigError(f"cannot read {path}: {error.strerror}") from None
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, StopIteration, binascii.Error, UnicodeDecodeError):
        raise KubeconfigError(f"{path} is no kubeconfig with a server and a token in its current context") from None


def _named(document: Any, part: str, name: str) -> Any:
    """The entry ``name`` of the list of clusters, users or contexts."""
    return next(entry for entry in document[f"{part}s"] if entry["name"] == name)[part]
