"""The keys and certificates of a control plane, made with the openssl program."""

import shutil
import subprocess
from pathlib import Path

from tests.cluster.cache import UnavailableError

NAMES = "DNS:localhost,DNS:kubernetes.default.svc,DNS:kubernetes.default,DNS:kubernetes,IP:127.0.0.1"
NEW_EC_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def make_pki(folder: Path, *addresses: str) -> None:
    """Write the keys of a control plane: the authority ca.{key,crt} and what it vouches for.

    That is apiserver.{key,crt}, which serves on loopback and on the addresses, and admin.{key,crt}, a client who may do
    everything. ServiceAccount tokens are signed with sa.{key,pub}.
    """
    if shutil.which("openssl") is None:
        raise UnavailableError("openssl is not installed, and it makes the control plane's certificates")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    openssl(
        folder, "req", "-x509", *NEW_EC_KEY, "-days", "30", "-subj", "/CN=tenantry-test-ca",
        "-keyout", "ca.key", "-out", "ca.crt", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
    )  # fmt: skip
    names = ",".join([NAMES, *(f"IP:{address}" for address in addresses)])
    certify(folder, "apiserver", "/CN=kube-apiserver", f"extendedKeyUsage=serverAuth\nsubjectAltName={names}")
    certify(folder, "admin", "/O=system:masters/CN=admin", "extendedKeyUsage=clientAuth")
    openssl(folder, "genrsa", "-out", "sa.key", "2048")
    openssl(folder, "rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub")


def certify(folder: Path, name: str, subject: str, extensions: str) -> None:
    """Write NAME.key, and NAME.crt that the authority signs."""
    openssl(folder, "req", *NEW_EC_KEY, "-subj", subject, "-keyout", f"{name}.key", "-out", f"{name}.csr")
    (folder / f"{name}.ext").write_text(f"keyUsage=critical,digitalSignature\n{extensions}\n", encoding="utf-8")
    openssl(
        folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
        "-days", "30", "-extfile", f"{name}.ext", "-out", f"{name}.crt",
    )  # fmt: skip


def openssl(folder: Path, *arguments: str) -> None:
    """Run openssl in a folder."""
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
