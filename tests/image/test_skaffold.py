"""What `skaffold dev` does with `skaffold.yaml`: its image, its values for the chart, its copies into a running pod.

Skaffold itself is not here: building it takes minutes. Each of its steps is, and the schema of its configuration.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tenantry import __version__
from tests.chart.helm import CHART, NAMESPACE, RELEASE, Document, Helm, by_name
from tests.cluster import tools
from tests.image import product, standins
from tests.image.engine import Engine
from tests.image.product import DATA, STRICT, ask, running
from tests.support.cluster import demand
from tests.support.operator import eventually
from tests.worktree import ROOT, named

SKAFFOLD: dict[str, Any] = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
(ARTIFACT,) = SKAFFOLD["build"]["artifacts"]
(DEPLOYED,) = SKAFFOLD["deploy"]["helm"]["releases"]
(FORWARD,) = SKAFFOLD["portForward"]
(CHECK,) = SKAFFOLD["verify"]


@pytest.fixture(scope="module")
def skaffold_schema() -> Document:
    """The published schema of its version."""
    demand("skaffold_schema")
    path = tools.program("skaffold-schema")
    assert SKAFFOLD["apiVersion"] == f"skaffold/{path.stem}"
    found: Document = json.loads(path.read_text())
    return found


@pytest.mark.slow
def test_it_is_what_its_schema_takes(skaffold_schema: Document) -> None:
    schema = jsonschema.Draft7Validator(skaffold_schema)
    schema.validate(SKAFFOLD)
    assert not schema.is_valid(SKAFFOLD | {"deploys": SKAFFOLD["deploy"]})


@pytest.fixture(scope="module")
def rendered() -> dict[str, Document]:
    """What its release is, `Kind/name` to document."""
    demand("helm")
    templates = {"{{.IMAGE_REPO_tenantry}}": "tenantry", "{{.IMAGE_TAG_tenantry}}": "built"}
    values = DEPLOYED["setValues"] | {name: templates[value] for name, value in DEPLOYED["setValueTemplates"].items()}
    assert (DEPLOYED["name"], DEPLOYED["namespace"], DEPLOYED["chartPath"]) == (RELEASE, NAMESPACE, named(CHART))
    return by_name(Helm().render(*(f"--set={name}={value}" for name, value in values.items())))


def test_every_container_has_the_image_that_it_built(rendered: dict[str, Document]) -> None:
    pods = [each["spec"]["template"]["spec"] for each in rendered.values() if each["kind"] == "Deployment"]
    containers = [container for pod in pods for container in pod["containers"] + pod.get("initContainers", [])]
    assert {container["image"] for container in containers} == {f"{ARTIFACT['image']}:built"}
    assert {tuple(container["command"]) for container in containers} == {
        ("tenantry", "serve"),
        ("tenantry-operator", "run"),
    }
    for container in containers:  # a root that is read-only, and a place that is not for what is copied
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}  # noqa: S108


def test_what_it_forwards_and_checks_is_there(rendered: dict[str, Document]) -> None:
    service = rendered[f"Service/{FORWARD['resourceName']}"]
    assert FORWARD["resourceType"] == "service"
    assert FORWARD["namespace"] == NAMESPACE
    assert FORWARD["port"] in {port["port"] for port in service["spec"]["ports"]}
    assert f"http://{FORWARD['resourceName']}.{NAMESPACE}.svc/version" in CHECK["container"]["args"][0]
    assert CHECK["container"]["image"] == ARTIFACT["image"]


def test_another_image_finds_the_database_of_the_one_before(rendered: dict[str, Document]) -> None:
    claim = rendered[f"PersistentVolumeClaim/{RELEASE}-data"]
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"  # as the operator's memory of it is
    volumes = rendered[f"Deployment/{RELEASE}-api"]["spec"]["template"]["spec"]["volumes"]
    assert {"name": "data", "persistentVolumeClaim": {"claimName": f"{RELEASE}-data"}} in volumes


def test_it_copies_both_folders_of_sources() -> None:
    for copy in ARTIFACT["sync"]["manual"]:
        assert copy["src"].endswith("/**/*")
        assert (ROOT / copy["src"].removesuffix("/**/*")).is_dir()
        assert copy["dest"] == "/tmp/sources"  # noqa: S108 - where the `dev` target reads them
    assert {copy["src"].partition("/")[0] for copy in ARTIFACT["sync"]["manual"]} == {"backend", "operator"}


@pytest.mark.image
@pytest.mark.timeout(600)
def test_a_copied_file_starts_the_program_again(engine: Engine, tmp_path: Path) -> None:
    standins.provide(engine, product.BASE)
    engine.build(ROOT, "tenantry-dev", f"--target={ARTIFACT['docker']['target']}")
    url = "http://127.0.0.1:8080/version"
    with running(engine, *STRICT, DATA, "--tmpfs=/tmp", "tenantry-dev") as container:
        eventually(lambda: __version__ in ask(engine, container, url)[1], "it serves", 60)
        name = "tmp/sources/backend/tenantry/__init__.py"
        changed = tmp_path / name
        changed.parent.mkdir(parents=True)
        changed.write_text((ROOT / "backend/tenantry/__init__.py").read_text().replace(__version__, "9.8.7"))
        subprocess.run(["tar", "cf", "copy.tar", name], cwd=tmp_path, check=True)
        unpack = ["docker", "exec", "--interactive", container, "tar", "xmf", "-", "-C", "/", "--no-same-owner"]
        with (tmp_path / "copy.tar").open("rb") as archive:
            subprocess.run(unpack, env=os.environ | engine.environment, stdin=archive, check=True)
        eventually(lambda: "9.8.7" in ask(engine, container, url)[1], "it serves what was copied", 60)
