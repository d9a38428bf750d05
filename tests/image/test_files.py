"""What the image and Compose are made of, as far as it can be seen without an engine."""

import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tenantry.settings import PREFIX, Settings
from tests.worktree import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
EXAMPLE = (ROOT / ".env.example").read_text()
#: name -> value of every line that somebody may take the # from
DOCUMENTED = dict(re.findall(r"^#([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))


def tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What a program of the environment says about the repository."""
    command = [str(Path(sys.executable).with_name(name)), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_dockerfile_has_no_flaw_that_hadolint_knows() -> None:
    done = tool("hadolint", "--no-color", "Dockerfile")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("what", [r"^# *syntax *=", r"<<-?\s*['\"]?[A-Z]+", r"COPY .*--(link|chmod|parents)", r"^ADD "])
def test_the_dockerfile_needs_no_engine_newer_than_20_10(what: str) -> None:
    assert re.findall(what, DOCKERFILE, re.MULTILINE) == []


def test_the_dockerfile_copies_what_the_ignore_file_lets_through() -> None:
    allowed = re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    copied = [
        source for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE) for source in line.split()
    ]
    assert {source.partition("/")[0] for source in copied} == set(allowed)
    assert [name for name in allowed if not (ROOT / name).exists()] == []


def test_compose_is_valid() -> None:
    done = tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_more_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.keys() & {"privileged", "cap_add", "network_mode", "pid", "env_file"}
    assert [port for port in service.get("ports", ()) if not port.startswith("127.0.0.1:")] == []
    assert [mount for mount in service.get("volumes", ()) if mount.startswith(".") and not mount.endswith(":ro")] == []


def test_no_secret_is_a_variable() -> None:
    variables = [name for service in SERVICES.values() for name in service.get("environment", ())]
    assert [name for name in variables if re.search("PASSWORD|TOKEN|KEY", name) and not name.endswith("_FILE")] == []
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"/.tenantry/", "/.env"} <= set(ignored)


def test_the_example_documents_every_variable_with_its_default() -> None:
    used = dict(re.findall(r"\$\{([A-Z_]+):-([^${}]*)\}", COMPOSE_TEXT))
    given = {
        name for service in SERVICES.values() for name, value in service.get("environment", {}).items() if not value
    }
    assert set(re.findall(r"\$\{([A-Z_]+)", COMPOSE_TEXT)) | given == DOCUMENTED.keys()
    assert {name: DOCUMENTED[name] for name in used} == used
    for name in given:
        default = Settings.model_fields[name.removeprefix(PREFIX).lower()].default
        assert DOCUMENTED[name] in {
            str(default),
            "" if default in ((), None, frozenset()) else None,
            "[]" if default == () else None,
        }


def test_the_example_names_every_setting_of_the_server() -> None:
    settings = {PREFIX + name.upper() for name in Settings.model_fields}
    set_here = set(SERVICES["api"]["environment"]) | set(re.findall(rf"{PREFIX}\w+", DOCKERFILE))
    assert settings <= DOCUMENTED.keys() | set_here
    assert [name for name in settings if not re.search(rf"\b{name}\b", EXAMPLE)] == []


def test_make_secrets_makes_each_once_for_no_one_else(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    command = ["make", "--silent", "secrets", f"SECRETS={folder}"]
    subprocess.run(command, cwd=ROOT, check=True)
    wanted = {Path(secret["file"]).name for name, secret in COMPOSE["secrets"].items() if name != "pip"}
    made = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert made.keys() == wanted
    assert all(made.values())
    assert made["database-password"] != made["database-root-password"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o644}
    subprocess.run(command, cwd=ROOT, check=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == made
