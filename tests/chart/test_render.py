"""What Helm renders, for the values of `charts/tenantry/ci/`: one file each for a way to install it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import certifi
import kubernetes_validate
import pytest
import yaml

from tenantry.model.kinds import KINDS
from tenantry.services.machines.workloads import AUDIENCE
from tenantry.settings import Settings, read_settings
from tenantry.web.listener import GRACE_SECONDS
from tenantry_operator import rbac
from tenantry_operator.settings import Settings as OperatorSettings
from tests.chart.helm import CHART, CI, NAMESPACE, RELEASE, Document, Helm, by_name, rendered
from tests.worktree import ROOT

#: what kube-apiserver of 1.32, the oldest that is supported, and of later ones takes
VERSIONS = ("1.32", "1.34", "1.36")
SECURITY = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
#: volumes that Pod Security `restricted` allows
VOLUMES = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}

#: `kind/name` of what the API and the operator need everywhere
API = [
    "ClusterRoleBinding/{}-api",
    "Deployment/{}-api",
    "Service/{}",
    "Service/{}-api-metrics",
    "ServiceAccount/{}-api",
    "Pod/{}-smoke",
]
OPERATOR = [
    "ClusterRole/{}-operator",
    "ClusterRoleBinding/{}-operator",
    "Deployment/{}-operator",
    "Role/{}-operator",
    "RoleBinding/{}-operator",
    "Service/{}-operator-metrics",
    "ServiceAccount/{}-operator",
]
CRDS = [f"CustomResourceDefinition/{kind.qualified}" for kind in KINDS]
#: beginning of the names -> what there is
OBJECTS = {
    "sqlite": ("tenantry", [*API, *OPERATOR, *CRDS]),
    "volume": ("tenants", [*API, *CRDS, "PersistentVolumeClaim/{}-data"]),
    "hook": ("tenantry", [*API, *OPERATOR, "Job/{}-migrate"]),
    "production": (
        "tenantry",
        [
            *API,
            *OPERATOR,
            *CRDS,
            "ClusterRole/{}-api-token-review",
            "ClusterRoleBinding/{}-api-token-review",
            "Ingress/{}",
            "PodDisruptionBudget/{}-api",
            "PodDisruptionBudget/{}-operator",
            "ServiceMonitor/{}",
        ],
    ),
}

pytestmark = pytest.mark.slow
every_file = pytest.mark.parametrize("name", CI)


@pytest.fixture(autouse=True)
def _helm(helm: Helm) -> None:
    """All of them need it."""


def made_of(name: str, *options: str) -> dict[str, Document]:
    """`kind/name` to object, of what the chart makes of the values called `name`."""
    return by_name(rendered(name, *options))


def pods(objects: dict[str, Document]) -> Iterator[tuple[str, Document]]:
    """Every pod and template of pods: metadata and spec."""
    for name, each in objects.items():
        if each["kind"] == "Pod":
            yield name, each
        elif each["kind"] in ("Deployment", "Job"):
            yield name, each["spec"]["template"]


def containers(pod: Document) -> list[Document]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def environment(container: Document) -> dict[str, str]:
    """The variables of a container, those of Secrets by `<key of the Secret>`."""
    found = {}
    for each in container["env"]:
        source = each.get("valueFrom", {})
        key = source.get("secretKeyRef", {}).get("key") or source.get("fieldRef", {}).get("fieldPath")
        found[each["name"]] = each.get("value", f"<{key}>")
    return found


@every_file
def test_lint_has_no_complaint(any_helm: Helm, name: str) -> None:
    assert "0 chart(s) failed" in any_helm.run("lint", "--strict", CHART, "--values", CI[name])


@every_file
def test_every_helm_renders_the_same(helm: Helm, old_helm: Helm, name: str) -> None:
    assert helm.template("--values", CI[name]) == old_helm.template("--values", CI[name])


def test_every_way_to_install_it_has_a_row() -> None:
    assert OBJECTS.keys() == CI.keys()


@every_file
def test_these_objects_are_made(name: str) -> None:
    prefix, expected = OBJECTS[name]
    assert sorted(made_of(name)) == sorted(each.format(prefix) for each in expected)


@every_file
@pytest.mark.parametrize("version", VERSIONS)
def test_they_have_the_right_shape(name: str, version: str) -> None:
    ours = {key: each for key, each in made_of(name).items() if each["kind"] != "ServiceMonitor"}
    for each in ours.values():
        kubernetes_validate.validate(each, version, strict=True)


def test_a_name_that_looks_like_a_number_is_text(helm: Helm, tmp_path: Path) -> None:
    values = {
        "database": {"existingSecret": "1", "urlKey": "2"},
        "tls": {"existingSecret": "3", "caKey": "4"},
        "cluster": {"name": "5"},
        "ingress": {"enabled": True, "host": "tenantry.example.com", "className": "6", "tlsSecret": "7"},
        "api": {"priorityClassName": "8"},
        "operator": {"priorityClassName": "9"},
    }
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    for each in yaml.safe_load_all(helm.run("template", "10", CHART, "--values", tmp_path / "values.yaml")):
        kubernetes_validate.validate(each, VERSIONS[-1], strict=True)


@every_file
def test_they_are_labelled(name: str) -> None:
    for key, each in made_of(name).items():
        labels = each["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "tenantry", key
        assert labels["app.kubernetes.io/instance"] == RELEASE, key
        assert labels.keys() >= {f"app.kubernetes.io/{label}" for label in ("component", "version", "managed-by")}, key
        if each["kind"] in ("Deployment", "Service", "PodDisruptionBudget"):
            assert selected(each, made_of(name)) == [labels["app.kubernetes.io/component"]], key


def selected(each: Document, objects: dict[str, Document]) -> list[str]:
    """The components whose pods an object selects."""
    selector = each["spec"]["selector"]
    wanted = selector.get("matchLabels", selector)
    found = (pod["metadata"]["labels"] for _, pod in pods(objects))
    return [labels["app.kubernetes.io/component"] for labels in found if wanted.items() <= labels.items()]


@every_file
def test_there_is_no_wildcard(name: str) -> None:
    without = Helm().template("--values", CI[name], "--set", "crds.enabled=false")
    assert "*" not in without  # the patterns of the CRDs have some


@every_file
def test_there_is_no_secret(name: str) -> None:
    objects = made_of(name)
    assert [each for each in objects.values() if each["kind"] in ("Secret", "ConfigMap")] == []
    for key, pod in pods(objects):
        for container in containers(pod):
            for variable in container.get("env", []):
                path_or_nothing = variable.get("value", "/").startswith("/")
                assert path_or_nothing or not re.search("PASSWORD|TOKEN|KEY", variable["name"]), key


@every_file
def test_every_pod_is_restricted(name: str) -> None:
    for key, pod in pods(made_of(name)):
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"], key
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, key
        assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC"}, key
        assert {kind for volume in spec.get("volumes", []) for kind in volume.keys() - {"name"}} <= VOLUMES, key
        for container in containers(pod):
            assert container["securityContext"] == SECURITY, key
            assert container["resources"].keys() == {"requests", "limits"}, key
        automounted = spec.get("automountServiceAccountToken", True)
        assert automounted == (key == "Deployment/tenantry-operator"), key
        assert not spec["enableServiceLinks"], key


def test_no_value_loosens_a_pod(helm: Helm) -> None:
    wrong = "--set=podSecurityContext.runAsNonRoot=false,podSecurityContext.seccompProfile.type=Unconfined"
    for _, pod in pods(by_name(helm.render("--values", CI["sqlite"], wrong))):
        assert pod["spec"]["securityContext"]["runAsNonRoot"]
        assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


def test_openshift_chooses_the_ids(helm: Helm) -> None:
    on_openshift = helm.render("--values", CI["sqlite"], "--api-versions", "security.openshift.io/v1")
    everywhere = made_of("sqlite")
    for key, pod in pods(by_name(on_openshift)):
        assert "fsGroup" not in pod["spec"]["securityContext"]
        assert dict(pods(everywhere))[key]["spec"]["securityContext"]["fsGroup"] == 65532


def test_the_operator_has_the_rights_that_it_uses() -> None:
    objects = made_of("sqlite")
    assert objects["ClusterRole/tenantry-operator"]["rules"] == [grant.rule() for grant in rbac.CLUSTER]
    assert objects["Role/tenantry-operator"]["rules"] == [grant.rule() for grant in rbac.LOCAL]
    account = {"kind": "ServiceAccount", "name": "tenantry-operator", "namespace": NAMESPACE}
    for kind in ("ClusterRole", "Role"):
        binding = objects[f"{kind}Binding/tenantry-operator"]
        assert binding["subjects"] == [account]
        assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) == (kind, "tenantry-operator")
    assert objects["Deployment/tenantry-operator"]["spec"]["template"]["spec"]["serviceAccountName"] == account["name"]


@pytest.mark.parametrize(("name", "reviews"), [("sqlite", False), ("production", True)])
def test_the_api_may_read_the_keys_of_the_cluster_and_ask_about_tokens_where_it_does(
    name: str,
    reviews: bool,  # noqa: FBT001 - a row of the table
) -> None:
    objects = made_of(name)
    account = {"kind": "ServiceAccount", "name": "tenantry-api", "namespace": NAMESPACE}
    bindings = [each for each in objects.values() if account in each.get("subjects", [])]
    (container,) = objects["Deployment/tenantry-api"]["spec"]["template"]["spec"]["containers"]
    (cluster,) = json.loads(environment(container)["TENANTRY_CLUSTERS"])
    asked = cluster.get("token_review_url", "")
    assert asked == ("https://kubernetes.default.svc/apis/authentication.k8s.io/v1/tokenreviews" if reviews else "")
    assert sorted(each["roleRef"]["name"] for each in bindings) == [
        "system:service-account-issuer-discovery",
        *["tenantry-api-token-review"] * reviews,
    ]
    if reviews:
        assert objects["ClusterRole/tenantry-api-token-review"]["rules"] == [
            {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]}
        ]


@pytest.mark.parametrize("keep", [True, False])
def test_the_crds_are_those_of_the_model(helm: Helm, keep: bool) -> None:  # noqa: FBT001 - a row of the table
    objects = helm.render("--values", CI["sqlite"], "--set", f"crds.keep={str(keep).lower()}")
    crds = {each["metadata"]["name"]: each for each in objects if each["kind"] == "CustomResourceDefinition"}
    for kind in KINDS:
        written = yaml.safe_load((ROOT / "k8s" / "crds" / f"{kind.plural}.yaml").read_text())
        found = crds.pop(kind.qualified)
        assert found["spec"] == written["spec"]
        assert ("annotations" in found["metadata"]) == keep
        assert not keep or found["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert crds == {}


def test_the_database_of_a_claim_is_kept() -> None:
    claim = made_of("volume")["PersistentVolumeClaim/tenants-data"]
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert claim["spec"]["storageClassName"] == "fast"


@pytest.mark.parametrize("replicas", [0, 1, 2, 3])
@pytest.mark.parametrize("component", ["api", "operator"])
def test_a_disruption_budget_needs_two_pods(helm: Helm, component: str, replicas: int) -> None:
    objects = helm.render("--set", f"database.existingSecret=db,{component}.replicas={replicas}")
    budgets = {each["metadata"]["name"]: each for each in objects if each["kind"] == "PodDisruptionBudget"}
    assert list(budgets) == [f"tenantry-{component}"] * (replicas > 1)
    assert all(each["spec"]["maxUnavailable"] == 1 for each in budgets.values())


@pytest.mark.parametrize(
    ("options", "is_there"),
    [
        ((), False),
        (("--api-versions", "monitoring.coreos.com/v1/ServiceMonitor"), True),
        (("--set", "serviceMonitor.renderMode=Always"), True),
    ],
)
def test_a_service_monitor_needs_its_kind(options: tuple[str, ...], is_there: bool) -> None:  # noqa: FBT001 - as above
    objects = made_of("sqlite", "--set", "serviceMonitor.enabled=true", *options)
    assert ("ServiceMonitor/tenantry" in objects) == is_there


def test_prometheus_finds_both() -> None:
    objects = made_of("production")
    monitor = objects["ServiceMonitor/tenantry"]
    wanted, port = monitor["spec"]["selector"]["matchLabels"], monitor["spec"]["endpoints"][0]["port"]
    found = [
        name
        for name, each in objects.items()
        if each["kind"] == "Service"
        and wanted.items() <= each["metadata"]["labels"].items()
        and port in [each["name"] for each in each["spec"]["ports"]]
    ]
    assert found == ["Service/tenantry-api-metrics", "Service/tenantry-operator-metrics"]
    for service in (objects[name] for name in found):  # a pod that is not ready has the most to tell
        assert service["spec"]["publishNotReadyAddresses"] is True
    (job,) = yaml.safe_load((ROOT / "k8s/prometheus/kubernetes.yml").read_text())["scrape_configs"]
    (source,) = job["dns_sd_configs"]
    names = [name.removesuffix(f".{NAMESPACE}.svc.cluster.local") for name in source["names"]]
    assert [f"Service/{name}" for name in names] == found
    assert source["port"] == objects[found[0]]["spec"]["ports"][0]["port"]


MIGRATIONS = [
    ("database.existingSecret=db", ["migrate"], False),
    ("database.existingSecret=db,migrations.mode=hook", [], True),
    ("database.existingSecret=db,migrations.mode=none", [], False),
    ("sqlite.storage=EmptyDir", [], False),
    ("sqlite.storage=EmptyDir,migrations.mode=hook", [], False),
]


@pytest.mark.parametrize(("values", "before", "hook"), MIGRATIONS, ids=[values for values, _, _ in MIGRATIONS])
def test_migrations_run_once_where_they_should(
    helm: Helm, values: str, before: list[str], hook: bool  # noqa: FBT001 - as above
) -> None:  # fmt: skip
    objects = by_name(helm.render("--set", values))
    api = objects["Deployment/tenantry-api"]["spec"]["template"]["spec"]
    assert [each["name"] for each in api.get("initContainers", [])] == before
    assert ("Job/tenantry-migrate" in objects) == hook
    if hook:
        job = objects["Job/tenantry-migrate"]
        assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
        assert "serviceAccountName" not in job["spec"]["template"]["spec"]


@every_file
def test_the_programs_take_their_settings(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mounted files are where the variables say, and the settings that come of them fit each other."""
    prefix = OBJECTS[name][0]
    objects = made_of(name)
    api = _settings(objects[f"Deployment/{prefix}-api"], tmp_path, monkeypatch, dict(API_SECRETS))
    server = read_settings(api)
    service = objects[f"Service/{prefix}"]
    assert {f"{prefix}", f"{prefix}.{NAMESPACE}.svc", f"{prefix}.{NAMESPACE}.svc.cluster.local"} <= server.hosts
    assert [cluster.issuer for cluster in server.clusters] == ["https://issuer.example.com"]
    assert server.drain_seconds + GRACE_SECONDS < grace_of(objects[f"Deployment/{prefix}-api"])
    assert (server.smtp.password if server.smtp else "") == ("x" if name == "production" else "")
    if f"Deployment/{prefix}-operator" not in objects:
        return
    deployment = objects[f"Deployment/{prefix}-operator"]
    for variable, value in _settings(deployment, tmp_path, monkeypatch, {"POD_ID": "pod"}).items():
        monkeypatch.setenv(variable, value)
    operator = OperatorSettings()
    scheme, _, host = operator.api_url.partition("://")
    name_of_host, _, port = host.partition(":")
    assert name_of_host in server.hosts
    assert int(port or {"http": 80, "https": 443}[scheme]) in {
        each["port"] for each in service["spec"]["ports"] if each["name"] == scheme
    }
    assert (scheme == "https") == bool(server.tls_cert_file) == bool(operator.api_ca_file)
    (cluster,) = server.clusters
    assert operator.cluster == cluster.name
    account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
    assert cluster.subjects[f"system:serviceaccount:{NAMESPACE}:{account}"] == ("platform:reconcile",)
    assert audience_of(deployment) == AUDIENCE


#: what the Secrets of the values hold, by the name of a variable
API_SECRETS = {"TENANTRY_DATABASE_URL": "mysql://tenantry:secret@db/tenantry"}
CA = Path(certifi.where()).read_text()
#: a token that names its issuer: {"iss": "https://issuer.example.com"}
TOKEN = "e30.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlLmNvbSJ9.c2ln"


def _settings(
    deployment: Document, root: Path, monkeypatch: pytest.MonkeyPatch, secrets: dict[str, str]
) -> dict[str, str]:
    """The environment of a deployment's container, whose mounted files are below `root`."""
    for variable in list(Settings.model_fields) + list(OperatorSettings.model_fields):
        monkeypatch.delenv(f"TENANTRY_{variable.upper()}", raising=False)
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    for mount in container["volumeMounts"]:
        _mount(next(each for each in pod["volumes"] if each["name"] == mount["name"]), root / mount["mountPath"][1:])
    found = {}
    for variable, value in environment(container).items():
        text = secrets[variable] if value.startswith("<") else value
        found[variable] = re.sub(r"(/(?:etc|var)/)", lambda match: f"{root}{match[1]}", text)
        monkeypatch.setenv(variable, found[variable])
    return found


def _mount(volume: dict[str, Any], folder: Path) -> None:
    """Make the files of a volume; a Secret that is mounted whole has a password, a CA and a key."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in volume.get("projected", {}).get("sources", [volume]):
        for kind in ("secret", "configMap"):
            whole = [{"path": "password"}, {"path": "ca.crt"}, {"path": "key"}]
            for item in source.get(kind, {}).get("items", whole if kind in source else []):
                (folder / item["path"]).write_text(CA if item["path"] == "ca.crt" else "x")
        if token := source.get("serviceAccountToken"):
            (folder / token["path"]).write_text(TOKEN)


def grace_of(deployment: Document) -> float:
    return float(deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"])


def audience_of(deployment: Document) -> str:
    (volume,) = (each for each in deployment["spec"]["template"]["spec"]["volumes"] if "projected" in each)
    (source,) = volume["projected"]["sources"]
    return str(source["serviceAccountToken"]["audience"])


def test_the_api_takes_what_its_ingress_sends(helm: Helm) -> None:
    options = "sqlite.storage=EmptyDir,ingress.enabled=true,ingress.host=in.example.com,externalUrl=https://example.com"
    [api] = containers(by_name(helm.render("--set", options))["Deployment/tenantry-api"]["spec"]["template"])
    assert "in.example.com" in environment(api)["TENANTRY_ALLOWED_HOSTS"].split(",")


def test_an_ingress_lets_streams_live() -> None:
    ingress = made_of("production")["Ingress/tenantry"]
    annotations = ingress["metadata"]["annotations"]
    assert int(annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"]) > 3600
    assert annotations["nginx.ingress.kubernetes.io/proxy-buffering"] == "off"
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert path["backend"]["service"] == {"name": "tenantry", "port": {"name": "http"}}


def test_the_smoke_test_asks_services_that_there_are() -> None:
    for name in CI:
        objects = made_of(name)
        prefix = OBJECTS[name][0]
        (container,) = objects[f"Pod/{prefix}-smoke"]["spec"]["containers"]
        ports = {
            (each["metadata"]["name"], port["port"])
            for each in objects.values()
            if each["kind"] == "Service"
            for port in each["spec"]["ports"]
        }
        for scheme, host, port in re.findall(r"(https?)://([^:/]+):?(\d*)", json.dumps(container["command"])):
            assert (host.partition(".")[0], int(port or {"http": 80, "https": 443}[scheme])) in ports
