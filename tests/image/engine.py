"""A Docker engine of a test's own, in namespaces of its own: Debian's, with Compose and buildx."""

import ast
import configparser
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Self

from tests.cluster.cache import UnavailableError, cache_root, kept
from tests.cluster.namespaces import Namespaces
from tests.cluster.packages import ensure_packages, unpack_packages
from tests.cluster.processes import Program, accepts, execute, free_port, run

PATIENCE = 60

#: what pip's configuration may say about how this machine reaches PyPI
REACH = {"default-timeout", "extra-index-url", "index-url", "proxy", "timeout", "trusted-host"}


class Engine:
    """An engine that lives from `start` to `stop`, or as long as a with statement.

    Containers reach what this machine reaches, and nothing that listens on its loopback. What they publish appears
    within the namespaces; `forward` brings a port to this machine.

    Args:
        folder: where its images, containers and logs are; a temporary one that `stop` removes by default.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="tenantry-engine-"))
        self.temporary = folder is None
        self.within = Namespaces(self.folder / "within")
        self.socket = self.folder / "docker.sock"
        self.pip_config = self.folder / "pip.conf"
        self.programs: list[Program] = []

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which docker commands find it, and Compose this machine's way to PyPI."""
        return {
            "DOCKER_HOST": f"unix://{self.socket}",
            "DOCKER_CONFIG": str(self.folder / "client"),
            "DOCKER_BUILDKIT": "1",
            "PIP_CONFIG_FILE": str(self.pip_config),
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it answers; what was started is stopped when that fails.

        Raises:
            UnavailableError: it can't be had on this machine.
            StartError: it does not start.
        """
        try:
            install()
            self.within.start()
            write_pip_config(self.pip_config)
            client = self.folder / "client" / "config.json"
            client.parent.mkdir()
            client.write_text(json.dumps({"cliPluginsExtraDirs": [str(plugins())]}), encoding="utf-8")
            self._start_outlet()
            self._start_dockerd()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it with all its containers, and remove a temporary folder."""
        self.within.stop()
        for program in self.programs:
            program.end()
        self.programs.clear()
        if self.temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def describe(self) -> str:
        """Return how to reach it from a shell."""
        variables = [f"export {name}={value}" for name, value in self.environment.items()]
        inside = (
            f"# what containers publish is inside: nsenter --target={self.within.pid} --net curl http://127.0.0.1:PORT"
        )
        return "\n".join([*variables, inside])

    def docker(self, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a docker command.

        Raises:
            subprocess.CalledProcessError: it failed and `check` is true; what it said is in the error's notes.
        """
        return execute(["docker", *arguments], env=os.environ | self.environment, check=check)

    def build(self, context: Path, tag: str, *arguments: str | Path) -> None:
        """Build an image, whose Dockerfile has this machine's way to PyPI as the secret `pip`, a pip.conf."""
        self.docker("build", f"--tag={tag}", f"--secret=id=pip,src={self.pip_config}", *arguments, context)

    def forward(self, port: int) -> int:
        """Return a port of this machine's loopback that leads to a port of the engine's, such as one of Compose."""
        here = free_port()
        there = f"nsenter --target={self.within.pid} --net socat STDIO TCP\\:127.0.0.1\\:{port}"
        listen = f"TCP-LISTEN:{here},bind=127.0.0.1,reuseaddr,fork"
        forward = self._run("socat", ["socat", listen, f"EXEC:{there}"])
        forward.wait_until(lambda: accepts("127.0.0.1", here), PATIENCE)
        return here

    def _start_outlet(self) -> None:
        """Let the namespaces reach what this machine reaches, without a change to its network."""
        outlet = self._run(
            "slirp4netns", ["slirp4netns", "--configure", "--disable-host-loopback", self.within.pid, "tap0"]
        )
        outlet.wait_until(lambda: bool(self.within.run("ip", "route", "show", "default")), PATIENCE)

    def _start_dockerd(self) -> None:
        flags = [f"--host=unix://{self.socket}", f"--cgroup-parent=/{self.within.name}"]
        dockerd = self._run("dockerd", self.within.command("dockerd", *flags))
        dockerd.wait_until(lambda: self.docker("version", check=False).returncode == 0, PATIENCE)

    def _run(self, name: str, command: list[str]) -> Program:
        program = Program(name, command, self.folder / f"{name}.log")
        self.programs.append(program)
        return program


def install() -> None:
    """Install what an engine needs.

    Raises:
        UnavailableError: it can't be had on this machine.
    """
    if os.geteuid() != 0:
        raise UnavailableError("only root may run an engine")
    ensure_packages("docker.io", "iproute2", "iptables", "slirp4netns", "socat")
    plugins()


def plugins() -> Path:
    """Return the folder of docker's plugins: Compose and buildx, of a Debian that has them."""
    folder = kept(cache_root() / "tools" / "docker-plugins-trixie", unpack_plugins)
    return folder / "usr/libexec/docker/cli-plugins"


def unpack_plugins(folder: Path) -> None:
    """Fill a folder with Compose and buildx."""
    unpack_packages("trixie", folder, "docker-compose", "docker-buildx")


def write_pip_config(path: Path) -> None:
    """Write what pip's configuration on this machine, its variables included, says about the way to PyPI."""
    listed = run("reading pip's configuration", sys.executable, "-m", "pip", "config", "list").splitlines()
    settings = dict(line.partition(".")[2].split("=", 1) for line in listed)
    config = configparser.ConfigParser(interpolation=None)
    config["global"] = {key: ast.literal_eval(value) for key, value in settings.items() if key in REACH}
    path.touch(mode=0o600)
    with path.open("w", encoding="utf-8") as file:
        config.write(file)
