"""The kubeconfig of a laptop: address, CA and token in one file, so that kubectl needs nothing else."""

from __future__ import annotations

import base64
from pathlib import Path

from tenantry.datadir import DataDirectory
from tenantry.model import yamldoc
from tenantry.model.names import PLATFORM_NAMESPACE

_FILE = "kubeconfig"
_NAME = "tenantry"


def write_kubeconfig(directory: DataDirectory, server: str, ca: bytes, token: str) -> Path:
    """Write the file, mode 0600, and return its path; ``ca`` is PEM."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": _NAME,
                "cluster": {"server": server, "certificate-authority-data": base64.b64encode(ca).decode()},
            }
        ],
        "users": [{"name": _NAME, "user": {"token": token}}],
        "contexts": [{"name": _NAME, "context": {"cluster": _NAME, "user": _NAME, "namespace": PLATFORM_NAMESPACE}}],
        "current-context": _NAME,
    }
    return directory.write(_FILE, yamldoc.dump(document).encode())
