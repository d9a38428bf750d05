"""Tenantry installed for real: its image and its chart on a node whose pods run, as the pages tell and over MySQL.

Every test leaves it installed, and every tenant Ready.
"""

import json
import os
import re
from pathlib import Path

import pytest

from tests.chart.helm import NAMESPACE, RELEASE
from tests.cluster import tools
from tests.cluster.node import Node
from tests.cluster.processes import execute
from tests.support.installation import SECONDS, TENANTS, TWO, Installation, settings
from tests.support.operator import eventually
from tests.support.pages import checkout, commands, script
from tests.support.traffic import Traffic

pytestmark = [pytest.mark.node, pytest.mark.image, pytest.mark.timeout(900)]

HOST = f"{RELEASE}.{NAMESPACE}.svc"
#: where a SQLite database can be, on a node that makes no volumes by itself
VOLUME = """
apiVersion: v1
kind: PersistentVolume
metadata: {name: first}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  local: {path: /var/lib/first}
  nodeAffinity:
    required:
      nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node]}]}]
"""


#: page -> heading
FIRST_STEPS = {"README.md": "In a cluster", "docs/how-to/helm.md": "Try it"}


def paste(node: Node, folder: Path, *blocks: str) -> str:
    """What commands print, in the shell of an administrator on the node, where every port is free."""
    programs = [str(tools.program(name).parent) for name in ("kubectl", "helm")]
    environment = {"PATH": ":".join([*programs, os.environ["PATH"]]), "KUBECONFIG": str(node.kubeconfig)}
    environment |= {"HOME": str(folder), "USER": "somebody"}
    with Installation(node).explained():
        command = node.within.command(*script(f"cd {folder}", *blocks))
        return execute(command, input="", env=os.environ | environment).stdout


@pytest.mark.parametrize("page", FIRST_STEPS)
def test_the_first_steps_of_a_page_work_as_they_stand(furnished: Node, tmp_path: Path, page: str) -> None:
    """On SQLite in a volume, and then to the end of everything, as the page on Helm tells."""
    furnished.within.run("mkdir", "--parents", "/var/lib/first")
    furnished.kubectl("apply", "--filename=-", input=VOLUME)
    folder = checkout(tmp_path)
    said = paste(furnished, folder, *commands(page, FIRST_STEPS[page]))
    assert "helm test tenantry --namespace tenantry-system" in said  # NOTES.txt tells the next step
    assert "tenant.tenantry.dev/acme condition met\ntenant.tenantry.dev/globex condition met\n" in said
    claim = furnished.kubectl("get", "pvc", "--namespace=tenantry-system", "--output=jsonpath={..phase}").stdout
    assert claim == "Bound"
    *_, everything = commands("docs/how-to/helm.md", "Uninstall")
    paste(furnished, folder, everything)
    left = furnished.kubectl("get", "crds,clusterroles,clusterrolebindings,namespaces", "--output=name").stdout
    assert "tenantry" not in left
    furnished.kubectl("delete", "namespace", *TENANTS)
    furnished.kubectl("delete", "persistentvolume/first")


def test_the_tenants_have_what_they_ask_for(installation: Installation) -> None:
    for namespace in TENANTS:
        installation.node.kubectl("get", "resourcequota/tenantry", f"--namespace={namespace}")
    for config in installation.get("configs.tenantry.dev")["items"]:
        conditions = {each["type"]: each["status"] for each in config["status"]["conditions"]}
        assert conditions["Ready"] == "True", config["metadata"]["name"]


def test_it_works_with_the_rights_of_the_chart_and_no_password(installation: Installation) -> None:
    """The API believes the operator's projected token; nothing else gives either of them a right."""
    accounts = [f"{RELEASE}-api", f"{RELEASE}-operator"]
    bindings = installation.get("clusterrolebindings,rolebindings", "--all-namespaces")["items"]
    ours = [each for each in bindings for subject in each.get("subjects", ()) if subject["name"] in accounts]
    assert {each["metadata"]["labels"]["app.kubernetes.io/managed-by"] for each in ours} == {"Helm"}
    for account in accounts:
        who = f"--as=system:serviceaccount:{NAMESPACE}:{account}"
        for right in (("*", "*"), ("get", "secrets"), ("create", "pods"), ("delete", "nodes")):
            done = installation.node.kubectl("auth", "can-i", *right, "--all-namespaces", who, check=False)
            assert done.stdout == "no\n", (account, right)
    (operator,) = installation.get("pods", "--selector=app.kubernetes.io/component=operator")["items"]
    assert "secretKeyRef" not in json.dumps(operator)
    believed = r'^tenantry_authentications_total{method="serviceaccount",outcome="ok"} [1-9]'
    assert any(re.search(believed, installation.metrics(pod), re.MULTILINE) for pod in installation.pods("api"))


@pytest.mark.parametrize("component", ["api", "operator"])
def test_a_pod_that_is_killed_is_replaced(installation: Installation, component: str) -> None:
    killed = installation.pods(component)[0]
    installation.kubectl("delete", "pod", killed, "--grace-period=0", "--force")
    installation.until_ready()
    assert killed not in installation.pods(component)
    quota = ("resourcequota/tenantry", "--namespace=globex-main")
    installation.node.kubectl("delete", *quota)
    installation.node.kubectl("wait", "--for=create", *quota, f"--timeout={SECONDS}s")  # by the operator


def test_no_request_fails_during_an_upgrade(installation: Installation) -> None:
    old = installation.pods("api")
    with Traffic(installation.address(), HOST, installation.key("traffic")) as traffic:
        eventually(lambda: traffic.answers.total() > 100, "requests are answered")
        installation.helm("upgrade", "charts/tenantry", "--reuse-values", *settings("logLevel=warning"), "--wait")
        eventually(lambda: not set(old) & set(installation.pods("api")), "the old pods have ended", SECONDS)
        done = traffic.answers.total()
        eventually(lambda: traffic.answers.total() > done + 100, "requests are answered after it")
    assert traffic.failures == []
    assert traffic.answers.keys() == {200}
    installation.until_ready()
    pods = installation.get("pods", "--selector=app.kubernetes.io/component=api")["items"]
    levels = [
        variable["value"]
        for pod in pods
        for variable in pod["spec"]["containers"][0]["env"]
        if variable["name"] == "TENANTRY_LOG_LEVEL"
    ]
    assert levels == ["warning"] * 2


def test_its_own_test_succeeds(installation: Installation) -> None:
    assert "Phase:          Succeeded" in installation.helm("test")


def test_uninstalling_leaves_the_tenants(installation: Installation) -> None:
    def kept() -> dict[str, str]:
        listed = installation.get("tenants,plans,namespaces,crds")["items"]
        return {f"{each['kind']}/{each['metadata']['name']}": each["metadata"]["uid"] for each in listed}

    before = kept()
    installation.helm("uninstall", "--wait")
    assert kept() == before
    assert {"Tenant/acme", "Namespace/acme-prod", "CustomResourceDefinition/tenants.tenantry.dev"} <= before.keys()
    assert installation.get("deployments,services")["items"] == []
    installation.install(*TWO)
    assert kept() == before
