"""`k8s/base/` is what Helm renders of the chart, and kustomize makes the overlays of it."""

import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from tests.chart import generate
from tests.chart.helm import Document, Helm, by_name
from tests.cluster import tools
from tests.cluster.cache import UnavailableError
from tests.support.cluster import demand
from tests.worktree import ROOT, named, tracked

OVERLAYS = ("dev", "prod")


@pytest.fixture(scope="session")
def kubectl() -> Path:
    """kubectl, which has kustomize in it."""
    demand("kubectl")
    return tools.program("kubectl")


def no_helm(name: str) -> Path:
    raise UnavailableError(f"no {name} here")


@pytest.mark.parametrize("name", generate.chart_files())
def test_a_generated_part_of_the_chart_is_fresh(name: str) -> None:
    assert (ROOT / name).read_text() == generate.chart_files()[name], "`make generate` writes it again"


@pytest.mark.slow
def test_the_base_is_fresh_and_nothing_else_lies_there(helm: Helm) -> None:
    del helm
    files = generate.base_files()
    assert {named(path): path.read_text() for path in tracked("k8s/base/*")} == files, "`make generate` writes it again"


@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)])
def test_without_helm_the_base_stays_as_it_is(monkeypatch: pytest.MonkeyPatch, ci: str, code: int) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(tools, "program", no_helm)
    result = CliRunner().invoke(generate.main, ["--check"])
    assert result.exit_code == code
    assert result.stderr == "k8s/base: not looked at, because there is no Helm: no helm here\n"


def made_by_kustomize(kubectl: Path, overlay: str) -> dict[str, Document]:
    text = subprocess.run(
        [kubectl, "kustomize", ROOT / "k8s" / "overlays" / overlay], capture_output=True, text=True, check=True
    ).stdout
    return by_name(yaml.safe_load_all(text))


@pytest.mark.slow
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_says_who_made_it_and_deletes_no_tenant(kubectl: Path, overlay: str) -> None:
    objects = made_by_kustomize(kubectl, overlay)
    assert {each["metadata"]["labels"]["app.kubernetes.io/managed-by"] for each in objects.values()} == {"kustomize"}
    assert {each["kind"] for each in objects.values()} & {"CustomResourceDefinition", "Namespace"} == set()


@pytest.mark.slow
def test_the_overlay_for_developers_is_what_the_chart_makes_for_sqlite(kubectl: Path, helm: Helm) -> None:
    values = "sqlite.storage=PersistentVolumeClaim,crds.enabled=false,image.tag=dev"
    by_helm = by_name(helm.render("--set", values, "--skip-tests"))
    objects = made_by_kustomize(kubectl, "dev")
    (volume, by_helms) = (each.pop("PersistentVolumeClaim/tenantry-data") for each in (objects, by_helm))
    assert volume["spec"] == by_helms["spec"]
    assert objects.keys() == by_helm.keys()
    for name, found in objects.items():
        for each in (found, by_helm[name]):
            del each["metadata"]["labels"]["app.kubernetes.io/managed-by"]
        found.get("spec", {}).get("template", {}).get("spec", {}).pop("initContainers", None)  # an empty list
        assert found == by_helm[name], name


@pytest.mark.slow
def test_the_overlay_for_production_has_a_way_in(kubectl: Path) -> None:
    objects = made_by_kustomize(kubectl, "prod")
    assert objects.keys() >= {"Ingress/tenantry", "PodDisruptionBudget/tenantry-api"}
    (api,) = objects["Deployment/tenantry-api"]["spec"]["template"]["spec"]["containers"]
    assert api["image"].startswith("registry.example.com/tenantry:")
    host = objects["Ingress/tenantry"]["spec"]["rules"][0]["host"]
    assert {"name": "TENANTRY_EXTERNAL_URL", "value": f"https://{host}"} in api["env"]
