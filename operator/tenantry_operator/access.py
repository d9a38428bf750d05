"""How kube-apiserver is reached: from a pod by its ServiceAccount, elsewhere by the kubeconfig in ``KUBECONFIG``."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

import kopf

from tenantry.client.tokens import Token, TokenFile

_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


class NoAccessError(Exception):
    """There is neither a ServiceAccount nor a usable kubeconfig; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Access:
    """Address, trust and identity; without a ``token`` the client certificate in ``tls`` is the identity."""

    server: str
    tls: ssl.SSLContext
    token: Token | None


def find_access() -> Access:
    """The way to kube-apiserver that this process was given."""
    settings = kopf.OperatorSettings()
    in_pod = not os.environ.get("KUBECONFIG")
    try:
        found = (kopf.login_with_service_account if in_pod else kopf.login_with_kubeconfig)(settings=settings)
    except Exception as error:  # whatever it is that does not read like a kubeconfig
        raise NoAccessError(f"the kubeconfig cannot be used: {error!r}") from error
    if found is None:
        raise NoAccessError(f"there is no {_TOKEN}; outside of a cluster set KUBECONFIG")
    token = TokenFile(_TOKEN) if in_pod else found.token
    return Access(found.server.rstrip("/"), found.as_ssl_context(), token)
