"""The keys and certificates of a control plane, made with the openssl program."""

import shutil
import subprocess
from pathlib import Path

from tests.cluster.cache import UnavailableError

NAMES = "DNS:localhost,DNS:kubernetes.default.svc,DNS:kubernetes.default,DNS:kubernetes,IP:127.0.0.1,IP:10.96.0.1"
NEW_EC_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def make_pki(folder: Path) -> None:
    """Write ca.{key,crt}, apiserver.{key,crt} (serving on loopback) and sa.{key,pub} (ServiceAccount tokens)."""
    if shutil.which("openssl") is None:
        raise UnavailableError("openssl is not installed, and it makes the control plane's certificates")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    openssl(
        folder, "req", "-x509", *NEW_EC_KEY, "-days", "30", "-subj", "/CN=tenantry-test-ca",
        "-keyout", "ca.key", "-out", "ca.crt", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
    )  # fmt: skip
    openssl(
        folder, "req", *NEW_EC_KEY, "-subj", "/CN=kube-apiserver", "-keyout", "apiserver.key", "-out", "apiserver.csr"
    )
    (folder / "apiserver.ext").write_text(
        f"keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nsubjectAltName={NAMES}\n", encoding="utf-8"
    )
    openssl(
        folder, "x509", "-req", "-in", "apiserver.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
        "-days", "30", "-extfile", "apiserver.ext", "-out", "apiserver.crt",
    )  # fmt: skip
    openssl(folder, "genrsa", "-out", "sa.key", "2048")
    openssl(folder, "rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub")


def openssl(folder: Path, *arguments: str) -> None:
    """Run openssl in a folder."""
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
