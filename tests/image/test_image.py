"""The image under the restrictions of a strict cluster: what is in it, and that both programs run."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tenantry import __version__
from tests.image.engine import Engine
from tests.image.product import BASE, DATA, STRICT, ask, inspect, running
from tests.support.operator import eventually
from tests.test_termination import ENDING, LOADED
from tests.worktree import ROOT

pytestmark = [pytest.mark.image, pytest.mark.timeout(600)]

MEGABYTES = 180
KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: none, user: {token: none}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
current-context: none
"""


def state(engine: Engine, container: str) -> Any:
    """What the engine knows of a container's state."""
    return json.loads(engine.docker("inspect", "--format={{json .State}}", container).stdout)


def log(engine: Engine, container: str) -> str:
    """What a container wrote to standard error."""
    return engine.docker("logs", container).stderr


def run(engine: Engine, *arguments: str) -> str:
    """What a container that ends prints."""
    return engine.docker("run", "--rm", *arguments).stdout


def test_it_adds_little_to_its_base(engine: Engine, tenantry_image: str) -> None:
    ours, base = (inspect(engine, name)["Size"] for name in (tenantry_image, BASE))
    assert 0 < ours - base < MEGABYTES * 1_000_000


def test_its_labels_say_what_it_is(engine: Engine, tenantry_image: str) -> None:
    config = inspect(engine, tenantry_image)["Config"]
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
    assert labels["version"] == __version__
    assert labels["revision"] == head.strip()
    assert labels["created"][:2] == "20"
    assert labels["title"] == "Tenantry"
    assert config["User"] == "65532:0"
    assert config["Cmd"] == ["tenantry", "serve"]
    assert not config.get("Entrypoint")
    assert not config.get("Volumes")


@pytest.mark.parametrize("name", ["pip", "pip3", "uv", "gcc", "cc", "g++", "make", "ld"])
def test_it_has_no_tool_to_build_or_install_with(engine: Engine, tenantry_image: str, name: str) -> None:
    done = engine.docker("run", "--rm", tenantry_image, "sh", "-c", f"command -v {name}", check=False)
    assert (done.returncode != 0, done.stdout) == (True, "")


def test_it_has_no_module_to_install_with_and_the_bytecode_of_all_that_serves(
    engine: Engine, tenantry_image: str
) -> None:
    script = """
import importlib.util, os, sys
import tenantry.cli.serve, tenantry_operator.__main__, tenantry_operator.process
print([name for name in ("pip", "ensurepip", "setuptools", "kubernetes", "pytest") if importlib.util.find_spec(name)])
cached = [module.__cached__ for module in sys.modules.values() if getattr(module, "__cached__", None)]
print([path for path in cached if not os.path.exists(path)], len(cached) > 500)
"""
    assert run(engine, tenantry_image, "python", "-c", script) == "[]\n[] True\n"


def test_its_user_may_write_nowhere_but_to_its_data(engine: Engine, tenantry_image: str) -> None:
    find = "find / -xdev ( -path /proc -o -path /sys -o -path /dev ) -prune -o ! -type l -writable -print"
    found = set(engine.docker("run", "--rm", tenantry_image, *find.split(), check=False).stdout.split())
    assert "/var/lib/tenantry" in found
    assert found <= {"/var/lib/tenantry", "/tmp", "/var/tmp", "/run/lock"}  # noqa: S108 - those that everybody may


@pytest.mark.parametrize("program", ["tenantry", "tenantry-operator"])
def test_both_programs_are_in_it(engine: Engine, tenantry_image: str, program: str) -> None:
    assert run(engine, *STRICT, tenantry_image, program, "version") == f"{__version__}\n"


def test_the_api_becomes_healthy_and_drains_under_restrictions(engine: Engine, tenantry_image: str) -> None:
    with running(engine, *STRICT, DATA, "--env=TENANTRY_DRAIN_SECONDS=4", tenantry_image) as container:
        assert state(engine, container)["Health"]["Status"] == "starting"
        eventually(lambda: state(engine, container)["Health"]["Status"] == "healthy", "it is healthy", 60)
        status = engine.docker("exec", container, "cat", "/proc/1/status").stdout
        assert "\nUid:\t4711\t4711\t4711\t4711\n" in status
        assert "\nCapBnd:\t0000000000000000\n" in status
        assert "\nNoNewPrivs:\t1\n" in status
        engine.docker("kill", "--signal=TERM", container)
        refused = "[-]shutdown failed: the server is stopping"
        probe = ("exec", container, "python", "-m", "tenantry.probe")
        eventually(lambda: refused in engine.docker(*probe, check=False).stdout, "its readiness ends")
        assert ask(engine, container, "http://127.0.0.1:8080/version")[0] == 200
        assert engine.docker("wait", container).stdout == "0\n"
        lines = [json.loads(line) for line in log(engine, container).splitlines()]
        ours = [line["message"] for line in lines if line["logger"] == "tenantry.web.server"]
        assert ours == ["stopping on SIGTERM", "stopped"]


@pytest.mark.parametrize("command", LOADED)
def test_it_ends_when_it_is_told_to_while_it_loads(
    engine: Engine, tenantry_image: str, tmp_path: Path, command: str
) -> None:
    """As the first process of a container, for which the kernel has no default."""
    module, verb = command.split()
    (tmp_path / f"{LOADED[command]}.py").write_text(ENDING)
    tmp_path.chmod(0o755)
    options = [*STRICT, f"--volume={tmp_path}:/modules:ro", "--env=PYTHONPATH=/modules"]
    done = engine.docker("run", "--rm", *options, tenantry_image, module.replace("_", "-"), verb, check=False)
    assert (done.returncode, done.stderr) == (143, "")


def test_a_migration_that_waits_ends_when_it_is_told_to(engine: Engine, tenantry_image: str) -> None:
    options = [*STRICT, DATA, "--env=TENANTRY_DATABASE_URL=mysql://tenantry@127.0.0.1:1/tenantry"]
    with running(engine, *options, tenantry_image, "tenantry", "migrate", "--wait", "600") as container:
        eventually(lambda: "waiting up to 600 s for the database" in log(engine, container), "it waits", 60)
        engine.docker("kill", "--signal=TERM", container)
        assert engine.docker("wait", container).stdout == "143\n"


def test_the_operator_waits_for_its_cluster_under_restrictions(
    engine: Engine, tenantry_image: str, tmp_path: Path
) -> None:
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    (tmp_path / "token").write_text("token")
    settings = {
        "KUBECONFIG": "/etc/tenantry/kubeconfig",
        "TENANTRY_API_URL": "http://127.0.0.1:1",
        "TENANTRY_API_TOKEN_FILE": "/etc/tenantry/token",
        "TENANTRY_CLUSTER": "east",
    }
    tmp_path.chmod(0o755)
    options = [f"--volume={tmp_path}:/etc/tenantry:ro", *(f"--env={name}={value}" for name, value in settings.items())]
    with running(engine, *STRICT, *options, tenantry_image, "tenantry-operator", "run") as container:
        probe = ("exec", container, "python", "-m", "tenantry.probe")
        said = "the Lease could not be read or written: kube-apiserver cannot be reached"
        eventually(lambda: said in engine.docker(*probe, check=False).stdout, "the probe says so")
        assert ask(engine, container, "http://127.0.0.1:9090/livez") == (200, "ok\n")
        engine.docker("stop", "--time=30", container)
        assert state(engine, container)["ExitCode"] == 0
        assert json.loads(log(engine, container).splitlines()[-1])["message"] == "stopped"


def test_a_read_only_disk_is_the_last_line(engine: Engine, tenantry_image: str) -> None:
    done = engine.docker("run", "--rm", *STRICT, tenantry_image, check=False)
    assert done.returncode == 73
    said = "tenantry: cannot write to the data directory /var/lib/tenantry: "
    assert done.stderr.splitlines()[-1] in {f"{said}Read-only file system", f"{said}Permission denied"}


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        ({"PORT": "9090"}, 78, "TENANTRY_OPS_PORT: is 9090 as TENANTRY_PORT is: each listens on one of its own"),
        (
            {"DATABASE_URL": "mysql://tenantry@mysql/tenantry", "DATABASE_PASSWORD_FILE": "/run/secrets/none"},
            78,
            "TENANTRY_DATABASE_PASSWORD_FILE: cannot read /run/secrets/none: No such file or directory",
        ),
    ],
    ids=["two ports that are one", "a missing secret"],
)
def test_what_stops_the_start_is_the_last_line(
    engine: Engine, tenantry_image: str, settings: dict[str, str], code: int, said: str
) -> None:
    options = [f"--env=TENANTRY_{name}={value}" for name, value in settings.items()]
    done = engine.docker("run", "--rm", *STRICT, DATA, *options, tenantry_image, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (code, f"tenantry: {said}")


def test_the_layers_are_the_same_at_every_build(engine: Engine, tenantry_image: str) -> None:
    engine.build(ROOT, "again", "--no-cache")
    base, first, second = (inspect(engine, name)["RootFS"]["Layers"] for name in (BASE, tenantry_image, "again"))
    ours = slice(len(base), len(base) + 2)  # the dependencies and the program
    assert first[ours] == second[ours]
