"""Debian packages that tests need, installed where this may be done."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.cache import UnavailableError, cache_root, locked
from tests.cluster.processes import TIED, run

POLICY = Path("/usr/sbin/policy-rc.d")
QUIET = {"DEBIAN_FRONTEND": "noninteractive"}


def ensure_packages(*names: str) -> None:
    """Install the packages that are missing, without starting any service that they bring.

    Raises:
        UnavailableError: this is not Debian, or not root, or the installation failed.
    """
    if not missing(names):
        return
    with locked(cache_root() / ".packages.lock"):
        wanted = missing(names)
        if not wanted:
            return
        if os.geteuid() != 0:
            raise UnavailableError(f"not installed, and only root may: {' '.join(wanted)}")
        apt_get("update")
        with services_stay_down():
            apt_get("install", "-y", "--no-install-recommends", *wanted)


def missing(names: tuple[str, ...]) -> list[str]:
    """Return the names of those packages that are not installed."""
    if shutil.which("dpkg-query") is None:
        raise UnavailableError(f"this is not Debian, whose packages are needed: {' '.join(names)}")
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n", *names]
    listed = subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()
    return [name for name in names if f"installed {name}" not in listed]


def unpack_system(suite: str, root: Path, *packages: str) -> None:
    """Unpack a small Debian system with some packages into a folder.

    Raises:
        UnavailableError: this is not Debian, or not root, or it failed.
    """
    if os.geteuid() != 0:
        raise UnavailableError(f"only root can unpack Debian {suite}")
    ensure_packages("debootstrap")
    # In namespaces of its own nothing stays mounted or running, however this ends.
    run(
        f"unpacking Debian {suite}",
        *TIED,
        *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
        *("debootstrap", "--variant=minbase", f"--include={','.join(packages)}"),
        *(suite, root, debian_mirror()),
    )
    shutil.rmtree(root / "var/cache/apt")


def unpack_packages(suite: str, folder: Path, *names: str) -> None:
    """Unpack packages of any suite of Debian into a folder, without what they depend on.

    Raises:
        UnavailableError: this is not Debian, or it failed.
    """
    with tempfile.TemporaryDirectory(prefix="tenantry-apt-") as work:
        sources, lists, cache = (Path(work, name) for name in ("sources.list", "lists", "cache"))
        sources.write_text(f"deb {debian_mirror()} {suite} main\n", encoding="utf-8")
        lists.mkdir()
        cache.mkdir()
        places = {"Etc::SourceList": sources, "Etc::SourceParts": "/dev/null", "State::Lists": lists, "Cache": cache}
        options = [part for key, place in places.items() for part in ("-o", f"Dir::{key}={place}")]
        apt_get("update", *options)
        apt_get("download", *options, *names, folder=work)
        for archive in Path(work).glob("*.deb"):
            run(f"unpacking {archive.name}", "dpkg-deb", "--extract", archive, folder)


def debian_mirror() -> str:
    """Return the address that this machine has Debian's packages from."""
    line = "$(LABEL) $(REPO_URI)"
    targets = apt_get("indextargets", "--format", line, "Created-By: Packages").splitlines()
    mirrors = [target.removeprefix("Debian ") for target in targets if target.startswith("Debian ")]
    if not mirrors:
        raise UnavailableError("apt has no source of Debian's packages")
    return mirrors[0]


def apt_get(*arguments: str, folder: str | None = None) -> str:
    """Run apt-get, in a folder, and return what it printed."""
    command = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", *arguments]
    done = subprocess.run(command, cwd=folder, env=os.environ | QUIET, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines() or ["it printed nothing"]
        raise UnavailableError(f"apt-get {arguments[0]} failed: {said[-1]}")
    return done.stdout


@contextmanager
def services_stay_down() -> Iterator[None]:
    """Forbid the start of services by package scripts; a policy that the machine has already stays as it is."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
