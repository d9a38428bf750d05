"""The container images that a node needs before it has any, made from single programs without an engine."""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.cluster import tools
from tests.cluster.cache import cache_root, kept
from tests.cluster.packages import ensure_packages

PAUSE = "registry.k8s.io/pause:3.10"
COREDNS = f"registry.k8s.io/coredns/coredns:v{tools.COREDNS.version}"
BUSYBOX = "docker.io/library/busybox:1.35"


def pause() -> Path:
    """Return the archive of the image that holds a pod's namespaces: a busybox that sleeps."""
    return image(PAUSE, install_busybox, ["/bin/sleep", "infinity"])


def busybox() -> Path:
    """Return the archive of Debian's busybox, with a shell that tests find handy."""
    return image(BUSYBOX, install_busybox, ["/bin/sh"])


def coredns() -> Path:
    """Return the archive of the cluster's name server."""
    return image(COREDNS, lambda root: shutil.copy(tools.program("coredns"), root), ["/coredns"])


def install_busybox(root: Path) -> None:
    """Put Debian's static busybox and a link for each of its commands into /bin."""
    ensure_packages("busybox-static")
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    (root / "bin").mkdir()
    program = shutil.copy("/bin/busybox", root / "bin")
    for command in subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split():
        if command != "busybox":
            (root / "bin" / command).symlink_to("busybox")


def image(name: str, fill: Callable[[Path], object], entrypoint: Sequence[str]) -> Path:
    """Return the archive of an image, as `docker save` writes it, of one layer that `fill` puts into a folder."""

    def make(folder: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="tenantry-image-") as root:
            Path(root).chmod(0o755)
            fill(Path(root))
            with tarfile.open(folder / "layer.tar", "w") as layer:
                layer.add(root, ".", filter=owned_by_root)
        digest = hashlib.sha256((folder / "layer.tar").read_bytes()).hexdigest()
        config = {
            "os": "linux",
            "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine],
            "config": {"Entrypoint": entrypoint, "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
        manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
        with tarfile.open(folder / "image.tar", "w") as archive:
            archive.add(folder / "layer.tar", "layer.tar")
            add_json(archive, "config.json", config)
            add_json(archive, "manifest.json", manifest)
        (folder / "layer.tar").unlink()

    return kept(cache_root() / "images" / re.sub(r"[/:]", "_", name), make) / "image.tar"


def owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Name root as the owner."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def add_json(archive: tarfile.TarFile, name: str, tree: object) -> None:
    """Add a file that holds a JSON tree."""
    content = json.dumps(tree).encode()
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
