"""The chart and the overlays on a real control plane: what it takes, what an upgrade changes, what uninstalling leaves.

There are no nodes: pods are admitted and then wait.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tenantry.services.machines.workloads import AUDIENCE
from tests.chart.helm import CHART, CI, NAMESPACE, RELEASE, Document, Helm, rendered
from tests.cluster.controlplane import ControlPlane
from tests.support.cluster import demand
from tests.support.operator import eventually
from tests.support.server import server_process
from tests.worktree import ROOT

SAMPLES = ROOT / "k8s" / "samples"
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """A control plane of its own, because CRDs belong to one release; its namespace is restricted."""
    demand("plane")
    with ControlPlane() as running:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": RESTRICTED}}
        running.kubectl("apply", "-f", "-", input=json.dumps(namespace))
        yield running


def listed(documents: list[Document]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})


def objects(plane: ControlPlane, kinds: str) -> list[str]:
    """`kind/name` of the objects of some kinds, in the release's namespace and in the cluster."""
    got = plane.kubectl("get", kinds, "--namespace", NAMESPACE, "--output=name").stdout
    return sorted(line.replace(".apps", "").replace(".policy", "") for line in got.splitlines())


def pod_of(each: Document) -> Document:
    """A pod of a Deployment or Job: a restricted namespace lets those in whatever their pods are."""
    template = each["spec"]["template"]
    metadata = template["metadata"] | {"name": f"pod-of-{each['metadata']['name']}", "namespace": NAMESPACE}
    spec = {key: value for key, value in template["spec"].items() if key != "serviceAccountName"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize("name", CI)
def test_it_takes_everything_without_a_warning(plane: ControlPlane, helm: Helm, name: str) -> None:
    del helm
    documents = [each for each in rendered(name) if each["kind"] != "ServiceMonitor"]
    documents += [pod_of(each) for each in documents if "template" in each.get("spec", {})]
    dry = ("--server-side", "--dry-run=server", "--validate=strict", "--output=name")
    done = plane.kubectl("apply", *dry, "--filename=-", input=listed(documents))
    assert len(done.stdout.splitlines()) == len(documents)
    assert done.stderr == ""


def test_a_pod_that_is_not_restricted_is_refused(plane: ControlPlane) -> None:
    """What the test above relies on."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": NAMESPACE}}
    spec = {"containers": [{"name": "x", "image": "x"}]}
    done = plane.kubectl(
        "apply", "--dry-run=server", "--filename=-", input=json.dumps(pod | {"spec": spec}), check=False
    )
    assert 'violates PodSecurity "restricted' in done.stderr


def test_it_is_installed_upgraded_and_uninstalled(plane: ControlPlane, any_helm: Helm) -> None:
    helm = Helm(any_helm.program, plane.kubeconfig)
    release = (RELEASE, CHART, "--namespace", NAMESPACE)
    deployments = ["deployment/tenantry-api", "deployment/tenantry-operator"]
    everything = "clusterroles,clusterrolebindings,deployments,poddisruptionbudgets,roles,rolebindings,services"

    said = helm.run("install", *release, "--values", CI["sqlite"])
    assert "helm test tenantry" in said
    assert objects(plane, "deployments") == deployments
    eventually(lambda: len(objects(plane, "pods")) == 2, "both pods are admitted")
    plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    plane.kubectl("apply", "--filename", str(SAMPLES))

    helm.run("upgrade", *release, "--set", "database.existingSecret=db,api.replicas=2")
    assert objects(plane, "poddisruptionbudgets") == ["poddisruptionbudget/tenantry-api"]
    replicas = plane.kubectl("get", deployments[0], "-n", NAMESPACE, "-o", "jsonpath={.spec.replicas}").stdout
    assert replicas == "2"

    helm.run("uninstall", RELEASE, "--namespace", NAMESPACE)
    assert [each for each in objects(plane, everything) if "/tenantry" in each] == []
    assert len(objects(plane, "crds")) == 3
    assert objects(plane, "tenants") == ["tenant.tenantry.dev/acme", "tenant.tenantry.dev/globex"]
    assert "config.tenantry.dev/web" in objects(plane, "configs")

    helm.run("install", *release, "--values", CI["sqlite"])  # takes what it left
    assert objects(plane, "deployments") == deployments
    helm.run("uninstall", RELEASE, "--namespace", NAMESPACE)


@pytest.mark.parametrize("reviews", ["false", "true"])
async def test_the_api_believes_the_operator_by_the_keys_of_the_cluster(
    plane: ControlPlane, helm: Helm, tmp_path: Path, reviews: str
) -> None:
    """The settings of the rendered pod work, with the files that the kubelet would mount and the rights that it has."""
    del helm
    documents = rendered("sqlite", "--set", f"cluster.tokenReview={reviews}")
    kinds = ("ServiceAccount", "ClusterRoleBinding", "ClusterRole")
    accounts = [each for each in documents if each["kind"] in kinds]
    plane.kubectl("apply", "--filename=-", input=listed(accounts))
    deployment = next(each for each in documents if each["metadata"]["name"] == "tenantry-api" and "spec" in each)
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    (cluster,) = json.loads(next(each["value"] for each in container["env"] if each["name"] == "TENANTRY_CLUSTERS"))
    token = tmp_path / "token"
    token.write_text(plane.service_account_token(NAMESPACE, "tenantry-api"))
    cluster |= {"token_file": str(token), "ca_file": str(plane.ca_path)}
    assert ("token_review_url" in cluster) == (reviews == "true")
    for name in {"jwks_url", "token_review_url"} & cluster.keys():
        cluster[name] = cluster[name].replace("https://kubernetes.default.svc", plane.url)
    async with server_process(tmp_path, {"TENANTRY_CLUSTERS": json.dumps([cluster])}) as server:
        for account, status in (("tenantry-operator", 200), ("tenantry-api", 401)):
            bearer = plane.service_account_token(NAMESPACE, account, AUDIENCE)
            async with server.session(anonymous=True) as session:
                answer = await session.get("/v1/me", headers={"Authorization": f"Bearer {bearer}"})
                assert answer.status == status
        late = plane.service_account_token(NAMESPACE, "tenantry-operator", AUDIENCE)
        plane.kubectl("delete", "serviceaccount", "tenantry-operator", f"--namespace={NAMESPACE}")
        async with server.session(anonymous=True) as session:
            answer = await session.get("/v1/me", headers={"Authorization": f"Bearer {late}"})
            assert answer.status == (401 if reviews == "true" else 200)
    plane.kubectl("delete", "--ignore-not-found", "--filename=-", input=listed(accounts))


@pytest.mark.parametrize("overlay", ["dev", "prod"])
def test_an_overlay_is_applied_and_deleted(plane: ControlPlane, overlay: str) -> None:
    folder = str(ROOT / "k8s" / "overlays" / overlay)
    plane.kubectl("apply", "--server-side", "--filename", str(ROOT / "k8s" / "crds"), "--force-conflicts")
    for how in ("--dry-run=server", "--dry-run=none"):
        done = plane.kubectl("apply", "--server-side", "--validate=strict", how, "--kustomize", folder)
        assert "Warning" not in done.stderr
    wanted = ["deployment/tenantry-api", "deployment/tenantry-operator"]
    assert objects(plane, "deployments") == wanted
    plane.kubectl("delete", "--kustomize", folder)
    assert objects(plane, "deployments") == []
    assert len(objects(plane, "crds")) == 3
