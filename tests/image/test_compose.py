"""`docker compose up` as its page tells: the API over MySQL, kubectl against it, live reload, Prometheus."""

import json
import os
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tenantry import __version__
from tests.cluster import tools
from tests.cluster.processes import execute
from tests.image import standins
from tests.image.engine import Engine
from tests.support.cluster import demand
from tests.support.operator import eventually
from tests.support.pages import commands, script
from tests.worktree import named, tracked

pytestmark = [pytest.mark.image, pytest.mark.timeout(600)]

PAGE = "docs/how-to/docker-compose.md"
PLAN = {
    "apiVersion": "tenantry.dev/v1alpha1",
    "kind": "Plan",
    "metadata": {"name": "kept"},
    "spec": {"displayName": "Kept"},
}


@dataclass(frozen=True)
class Project:
    """A copy of the work tree, and Compose in it."""

    engine: Engine
    folder: Path

    def compose(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of Compose."""
        return self.engine.docker("compose", f"--project-directory={self.folder}", *arguments, check=check)

    def paste(self, *blocks: str) -> str:
        """What commands of a page print, in a shell in the folder, where the ports that they name are."""
        environment = self.engine.environment | {"HOME": str(self.folder), "USER": "somebody"}
        environment["PATH"] = f"{tools.program('kubectl').parent}:{os.environ['PATH']}"
        command = self.engine.within.command(*script(f"cd {self.folder}", *blocks))
        return execute(command, input="", env=os.environ | environment).stdout

    def containers(self) -> dict[str, dict[str, Any]]:
        """Service -> its container, as the engine sees it."""
        found = json.loads(self.engine.docker("inspect", *self.compose("ps", "--all", "--quiet").stdout.split()).stdout)
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in found}

    def token(self) -> str:
        """A new administrator's token."""
        done = self.compose("exec", "-T", "api", "tenantry", "admin", "key", "create", "first")
        return done.stdout.strip()

    def kubectl(self, port: int, token: str, *arguments: str, text: str = "") -> str:
        """What kubectl prints; it trusts the certificate of `make secrets` and nothing else."""
        server = [f"--server=https://localhost:{port}", f"--token={token}"]
        trust = f"--certificate-authority={self.folder / '.tenantry/secrets/tls.crt'}"
        command: list[str | Path] = [
            tools.program("kubectl"),
            *server,
            trust,
            "--namespace=tenantry-system",
            *arguments,
        ]
        environment = os.environ | {"KUBECONFIG": os.devnull, "HOME": str(self.folder)}
        done = subprocess.run(command, env=environment, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def project(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The API over MySQL, as the README starts it."""
    demand("kubectl")
    standins.provide(engine, *standins.STANDINS)
    folder = tmp_path_factory.mktemp("project")
    folder.chmod(0o755)
    for path in tracked("backend", "operator", "requirements", "k8s", "[A-Z]*", "*.toml", "*.yml", ".dockerignore"):
        target = folder / named(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    found = Project(engine, folder)
    try:
        found.paste(*commands("README.md", "Start with Docker Compose"))
        yield found
    finally:
        found.compose("--profile=dev", "--profile=observability", "down", "--volumes")


def test_everything_came_up_in_its_order(project: Project) -> None:
    containers = project.containers()
    states = {name: container["State"] for name, container in containers.items()}
    assert states.keys() == {"mysql", "migrate", "api"}
    assert states["mysql"]["Health"]["Status"] == states["api"]["Health"]["Status"] == "healthy"
    assert (states["migrate"]["Status"], states["migrate"]["ExitCode"]) == ("exited", 0)
    assert states["mysql"]["StartedAt"] < states["migrate"]["StartedAt"]
    assert states["migrate"]["FinishedAt"] < states["api"]["StartedAt"]
    published = [
        binding
        for container in containers.values()
        for bindings in container["HostConfig"]["PortBindings"].values()
        for binding in bindings
    ]
    assert {binding["HostPort"] for binding in published} == {"8080", "8443", "9090"}
    assert {binding["HostIp"] for binding in published} == {"127.0.0.1"}
    assert all(container["HostConfig"]["ReadonlyRootfs"] for container in containers.values())
    password = (project.folder / ".tenantry/secrets/database-password").read_text().strip()
    assert password not in json.dumps(containers) + project.compose("logs").stdout


def test_the_page_works_as_it_stands(project: Project) -> None:
    """From its start, which changes nothing that is there, to tenants that kubectl shows."""
    headings = ("Start", "The first administrator", "kubectl")
    said = project.paste(*(block for heading in headings for block in commands(PAGE, heading)))
    assert json.loads(said[said.index("{") : said.index("}") + 1])["gitVersion"].endswith(__version__)
    assert re.search(r"\nacme +pro +Active +", said)


def test_kubectl_reaches_it_and_what_was_applied_outlives_it(project: Project) -> None:
    port, token = project.engine.forward(8443), project.token()
    assert "plan.tenantry.dev/kept created" in project.kubectl(port, token, "apply", "-f", "-", text=json.dumps(PLAN))
    project.compose("down")
    project.compose("up", "--wait")
    assert project.kubectl(port, token, "get", "plan/kept", "--output=name") == "plan.tenantry.dev/kept\n"


@pytest.fixture
def secret(project: Project) -> Iterator[Path]:
    """The file with the database's password, which is as it was in the end."""
    path = project.folder / ".tenantry/secrets/database-password"
    password = path.read_text()
    yield path
    path.write_text(password)


def test_a_missing_secret_is_told_before_anything_starts(project: Project, secret: Path) -> None:
    secret.unlink()
    done = project.compose("run", "--rm", "-T", "--no-deps", "migrate", check=False)
    assert done.returncode != 0
    assert str(secret) in done.stderr


def test_a_wrong_password_is_the_last_line(project: Project, secret: Path) -> None:
    secret.write_text("wrong")
    done = project.compose("run", "--rm", "-T", "--no-deps", "migrate", check=False)
    assert done.returncode == 69
    said = "tenantry: the database at mysql:3306 refuses our user or its password (error 1045): "
    assert done.stderr.splitlines()[-1].startswith(said)


def test_the_profile_dev_starts_again_when_a_file_changes(project: Project) -> None:
    project.paste(*commands(PAGE, "Work on it"))
    here = project.engine.forward(8081)

    def version() -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{here}/version", timeout=5) as answer:
                found: str = json.load(answer)["gitVersion"]
                return found
        except OSError:  # it is starting again
            return ""

    assert version().endswith(__version__)
    package = project.folder / "backend/tenantry/__init__.py"
    package.write_text(package.read_text().replace(__version__, "9.8.7"))
    eventually(lambda: version().endswith("9.8.7"), "it runs from the changed file", 60)
    assert project.containers()["dev"]["RestartCount"] == 0


def test_the_profile_observability_scrapes_the_api(project: Project) -> None:
    project.paste(*commands(PAGE, "Prometheus"))
    here = project.engine.forward(9091)

    def value(query: str) -> list[str]:
        url = f"http://127.0.0.1:{here}/api/v1/query?query={quote(query)}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return [each["value"][1] for each in json.load(answer)["data"]["result"]]

    eventually(lambda: value('up{job="tenantry"}') == ["1"], "it is scraped", 60)
    assert value('count(tenantry_build_info{job="tenantry"})') == ["1"]
