"""Tenantry on a node of a test's, installed by its chart over a MySQL in the cluster."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import CalledProcessError, CompletedProcess
from typing import Any

import pytest

from tests.chart.helm import CHART, NAMESPACE, RELEASE, Helm, HelmError
from tests.cluster.node import Node
from tests.image import product, standins
from tests.image.engine import Engine
from tests.support.cluster import demand
from tests.worktree import ROOT

MYSQL_IMAGE, MYSQL = "mysql:9.7", ROOT / "tests" / "e2e" / "mysql.yaml"
SAMPLES = ROOT / "k8s" / "samples"
#: as the page on Helm says for production, but for what a node of a test has not: certificates and an ingress
VALUES = ("database.url=mysql://tenantry@mysql.databases:3306/tenantry", "database.existingSecret=tenantry-database")
#: namespaces of the samples' tenants, which outlive these
TENANTS = ("acme-prod", "acme-dev", "globex-main")
#: pods of the API
TWO = ("api.replicas=2",)
PASSWORD = "right"
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"
SECONDS = 240
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Installation:
    """A release on a node that has the images, and what people do with it."""

    node: Node

    def prepare(self) -> None:
        """Start the database, and make the release's namespace, which lets restricted pods in, and its Secret."""
        self.node.kubectl("apply", f"--filename={MYSQL}")
        self.node.kubectl("create", "namespace", NAMESPACE)
        self.node.kubectl("label", "namespace", NAMESPACE, RESTRICTED)
        self.kubectl("create", "secret", "generic", "tenantry-database", f"--from-literal=password={PASSWORD}")
        wait = ("rollout", "status", "deployment/mysql", f"--timeout={SECONDS}s")
        self.node.kubectl("--namespace=databases", *wait)

    def helm(self, verb: str, *arguments: str | Path) -> str:
        """What Helm prints when it works on the release."""
        with self.explained():
            return Helm(kubeconfig=self.node.kubeconfig).run(verb, RELEASE, *arguments, "--namespace", NAMESPACE)

    def kubectl(self, *arguments: str, **options: Any) -> str:
        """What kubectl prints, as the administrator and in the release's namespace."""
        with self.explained():
            done: CompletedProcess[str] = self.node.kubectl(f"--namespace={NAMESPACE}", *arguments, **options)
            return done.stdout

    def get(self, *arguments: str) -> Document:
        """An object or a list."""
        found: Document = json.loads(self.kubectl("get", *arguments, "--output=json"))
        return found

    def install(self, *values: str) -> float:
        """Install it and apply the samples; the seconds until every tenant is Ready."""
        start = time.monotonic()
        self.helm("install", CHART, *settings(*VALUES, *values), "--wait", f"--timeout={SECONDS}s")
        self.kubectl("apply", f"--filename={SAMPLES}")
        self.until_ready()
        return time.monotonic() - start

    def until_ready(self) -> None:
        """Wait until every pod of the release and every tenant is Ready."""
        for each in ("api", "operator"):
            self.kubectl("rollout", "status", f"deployment/{RELEASE}-{each}", f"--timeout={SECONDS}s")
        self.kubectl("wait", "--for=condition=Ready", "tenant", "--all", f"--timeout={SECONDS}s")

    def pods(self, component: str) -> list[str]:
        """The names of the pods of a component."""
        label = f"--selector=app.kubernetes.io/component={component}"
        return self.kubectl("get", "pods", label, "--output=jsonpath={.items[*].metadata.name}").split()

    def address(self) -> str:
        """The address of the API's Service, which this machine reaches."""
        return str(self.get("service", RELEASE)["spec"]["clusterIP"])

    def key(self, name: str) -> str:
        """A new key of an administrator of the API."""
        command = ("tenantry", "admin", "key", "create", name)
        return self.kubectl("exec", f"deployment/{RELEASE}-api", "--", *command).strip()

    def metrics(self, pod: str) -> str:
        """The metrics of a pod."""
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:9090/proxy/metrics"
        return self.kubectl("get", "--raw", path)

    def remove(self) -> None:
        """Leave nothing of it, of its tenants, and of what they were."""
        for kind in ("tenants", "configs.tenantry.dev", "plans"):
            self.kubectl("delete", kind, "--all", f"--timeout={SECONDS}s")
        self.helm("uninstall", "--wait")
        self.kubectl("delete", f"--filename={ROOT / 'k8s' / 'crds'}")
        self.kubectl("delete", "namespace", NAMESPACE, "databases", *TENANTS)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Add to an error what the cluster looks like."""
        try:
            yield
        except (HelmError, CalledProcessError) as error:
            show: Callable[..., CompletedProcess[str]] = self.node.kubectl
            error.add_note(show("get", "pods,tenants", "--all-namespaces", "--output=wide", check=False).stdout)
            error.add_note(show("get", "events", f"--namespace={NAMESPACE}", check=False).stdout)
            for name in self.node.kubectl("get", "pods", f"--namespace={NAMESPACE}", "--output=name").stdout.split():
                logs = show("logs", f"--namespace={NAMESPACE}", name, "--all-containers", "--tail=20", check=False)
                error.add_note(f"{name}:\n{logs.stdout}{logs.stderr}")
            raise


def settings(*values: str) -> list[str]:
    """Values of the chart as options of Helm."""
    return [f"--set={value}" for value in values]


def furnish(node: Node, engine: Engine, *names: str) -> None:
    """Bring our image, which was built, to a node under its own name and others, and that of a database."""
    for name in names:
        engine.docker("tag", product.NAME, name)
    archive = node.folder / "image.tar"
    engine.docker("save", f"--output={archive}", product.NAME, *names)
    node.load(archive)
    archive.unlink()
    node.load(standins.archive(MYSQL_IMAGE, engine))


@pytest.fixture(scope="session")
def tenantry_image(engine: Engine) -> str:
    """The name of our image, which was built."""
    return product.build(engine)


@pytest.fixture(scope="session")
def furnished(node: Node, engine: Engine, tenantry_image: str) -> Node:
    """A node with the images, ours also under the name that the pages give it."""
    demand("helm")
    furnish(node, engine, f"registry.example.com/{tenantry_image}")
    return node


@pytest.fixture(scope="module")
def installation(furnished: Node) -> Iterator[Installation]:
    """Two pods of the API over MySQL, and the operator, with the samples."""
    found = Installation(furnished)
    found.prepare()
    print(f"from `helm install` to all Ready: {found.install(*TWO):.0f} s")  # noqa: T201 - a figure
    yield found
    found.remove()
