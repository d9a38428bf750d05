"""Images that stand in for those of a registry, under the same names, since tests pull none.

Each is a Dockerfile on a Debian system that was unpacked here; the archive of what was built is kept.

By hand: `python3 tests/image/standins.py up`, `status` and `down` keep an engine that has them in the background.
"""

import hashlib
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from tests.cluster import keeper
from tests.cluster.cache import cache_root, kept
from tests.cluster.databases import MySQL97
from tests.cluster.packages import unpack_system
from tests.cluster.processes import TIED, run
from tests.image import engine as docker
from tests.image.engine import Engine

DOCKERFILES = Path(__file__).with_name("dockerfiles")
AUTHORITIES = Path("/usr/local/share/ca-certificates")

#: name -> the folder of its Dockerfile, and the image that this starts from
STANDINS = {
    "python:3.13-slim": ("python", "debian:trixie-slim"),
    "mysql:9.7": ("mysql", "debian:sid-slim"),
    "prom/prometheus:v3.5.0": ("prometheus", "debian:trixie-slim"),
}


def prepare() -> None:
    """Install an engine and build every image where it isn't kept yet, which takes minutes.

    Raises:
        UnavailableError: it can't be done on this machine.
    """
    docker.install()
    if not all(folder(name).is_dir() for name in STANDINS):
        with Engine() as engine:
            for name in STANDINS:
                archive(name, engine)


def provide(engine: Engine, *names: str) -> None:
    """Give an engine some of the images."""
    for name in names:
        engine.docker("load", f"--input={archive(name, engine)}")


@contextmanager
def furnished(folder: Path) -> Iterator[Engine]:
    """Keep an engine running that has all the images."""
    with Engine(folder) as engine:
        provide(engine, *STANDINS)
        yield engine


def archive(name: str, engine: Engine) -> Path:
    """Return the archive of an image, which an engine builds first where it isn't kept yet."""
    context, base = STANDINS[name]

    def make(target: Path) -> None:
        provide_base(engine, base)
        engine.build(DOCKERFILES / context, name)
        engine.docker("save", f"--output={target / 'image.tar'}", name)

    return kept(folder(name), make) / "image.tar"


def folder(name: str) -> Path:
    """Return where an image is kept: elsewhere once what it is built from changes."""
    digest = hashlib.sha256()
    for path in sorted((DOCKERFILES / STANDINS[name][0]).iterdir()):
        digest.update(path.read_bytes())
    return cache_root() / "images" / f"{re.sub('[/:]', '_', name)}-{digest.hexdigest()[:12]}"


def provide_base(engine: Engine, name: str) -> None:
    """Give an engine the image of a Debian system."""
    with tempfile.TemporaryDirectory(prefix="tenantry-image-") as work:
        tar = Path(work, "system.tar")
        run(
            f"packing {name}",
            "tar",
            "--create",
            f"--file={tar}",
            "--numeric-owner",
            f"--directory={BASES[name]()}",
            ".",
        )
        engine.docker("import", tar, name)


def trixie() -> Path:
    """Return the folder of a Debian trixie that trusts the authorities that this machine trusts."""

    def make(root: Path) -> None:
        unpack_system("trixie", root, "ca-certificates")
        shutil.copytree(AUTHORITIES, root / AUTHORITIES.relative_to("/"), dirs_exist_ok=True)
        run("trusting authorities", *TIED, "chroot", root, "update-ca-certificates")

    return kept(cache_root() / "systems" / "trixie", make)


def sid_with_mysql() -> Path:
    """Return the folder of a Debian sid with MySQL's server."""
    MySQL97.prepare()
    return MySQL97.root()


BASES = {"debian:trixie-slim": trixie, "debian:sid-slim": sid_with_mysql}


if __name__ == "__main__":
    sys.exit(keeper.main(sys.argv[1:], "engine", furnished))
