"""The operator for tests: a process that is its own ServiceAccount, between a real control plane and a real API.

All three can be frozen, killed and started again at the same addresses. Everything here is synchronous, so that one
site can serve tests of several event loops, and tests that have none.
"""

import json
import os
import re
import signal
import ssl
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from tests.cluster.controlplane import ControlPlane
from tests.cluster.processes import Program, free_port

ROOT = Path(__file__).parents[2]
CLUSTER, NAMESPACE, OPERATOR = "east", "tenantry-system", "tenantry-operator"
SUBJECT = f"system:serviceaccount:{NAMESPACE}:{OPERATOR}"
AUDIENCE = "tenantry-api"
PATIENCE = 30
MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"
GROUP = "/apis/tenantry.dev/v1alpha1"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{OPERATOR}"

Document = dict[str, Any]
T = TypeVar("T")


def eventually(look: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
    """What `look` returns as soon as that is true.

    Raises:
        AssertionError: it was not within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.02)
    return found


@dataclass(frozen=True, slots=True)
class Client:
    """Requests to one HTTP server with one bearer token."""

    url: str
    token: str = ""
    tls: ssl.SSLContext | None = None

    def send(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> tuple[int, Any]:
        """The HTTP code and the answer: a document, or text where it is none."""
        headers = {"Content-Type": content_type} | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        address = urlsplit(self.url).netloc
        made = (
            HTTPSConnection(address, timeout=10, context=self.tls) if self.tls else HTTPConnection(address, timeout=10)
        )
        with closing(made) as connection:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        try:
            return answer.status, json.loads(text)
        except json.JSONDecodeError:
            return answer.status, text

    def get(self, path: str) -> Any:
        """The document at `path`, None when there is none."""
        code, answer = self.send("GET", path)
        assert code in (200, 404), (path, code, answer)
        return answer if code == 200 else None

    def do(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """The answer to a request that must succeed."""
        code, answer = self.send(method, path, body, content_type)
        assert code < 300, (method, path, code, answer)
        return answer


class Api:
    """`tenantry serve` over SQLite, which knows the cluster of `plane`."""

    def __init__(self, folder: Path, plane: ControlPlane) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True)
        self.url = f"http://127.0.0.1:{free_port()}"
        self.ops = Client(f"http://127.0.0.1:{free_port()}")
        self.clusters = registered(plane)
        self.program: Program | None = None

    def start(self) -> None:
        """Start it and wait until it is ready."""
        port, ops_port = (str(urlsplit(url).port) for url in (self.url, self.ops.url))
        settings = {"DATA_DIR": str(self.folder), "PORT": port, "TLS_PORT": "0", "OPS_PORT": ops_port}
        settings |= {"CLUSTERS": self.clusters}
        environment = os.environ | {f"TENANTRY_{name}": value for name, value in settings.items()}
        command = [sys.executable, "-m", "tenantry", "serve"]
        self.program = Program("tenantry", command, self.folder / "server.log", environment)
        self.program.wait_until(lambda: is_up(self.ops), PATIENCE)

    def kill(self) -> None:
        """End it at once; its port refuses connections then."""
        assert self.program
        self.program.end()

    @property
    def admin(self) -> Client:
        """The local administrator."""
        return Client(self.url, (self.folder / "admin-token").read_text().strip())

    def as_operator(self, token: str) -> Client:
        """A client with the token of a cluster."""
        return Client(self.url, token)


class Operator:
    """One replica of `tenantry-operator run`, with exactly the generated RBAC."""

    def __init__(self, name: str, folder: Path, plane: ControlPlane, api: Api, **settings: str) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.token_file = folder / f"{name}.token"
        self._plane, self._api, self._settings = plane, api, settings
        self._program: Program | None = None
        self._logged = 0  # characters that earlier processes wrote

    @property
    def program(self) -> Program:
        """Its process."""
        assert self._program
        return self._program

    @property
    def lines(self) -> list[Document]:
        """What the running process has logged."""
        text = self.log.read_text()[self._logged :]
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    @property
    def ops(self) -> Client:
        """Its port for metrics and probes."""
        port = re.search(r"http://127\.0\.0\.1:\d+", self.log.read_text()[self._logged :])
        assert port
        return Client(port[0])

    def kubeconfig(self) -> Path:
        """A kubeconfig that lets it be its ServiceAccount, and no more."""
        self.renew_token()
        return self._plane.kubeconfig_for(NAMESPACE, OPERATOR)

    def start(self, kubeconfig: Path | None = None) -> None:
        """Start it and wait until it says that it has; whether it holds the Lease by then is another matter."""
        kubeconfig = kubeconfig or self.kubeconfig()
        self._logged = len(self.log.read_text()) if self.log.exists() else 0
        environment = os.environ | {
            "KUBECONFIG": str(kubeconfig),
            "POD_ID": self.name,
            "TENANTRY_API_URL": self._api.url,
            "TENANTRY_API_TOKEN_FILE": str(self.token_file),
            "TENANTRY_CLUSTER": CLUSTER,
            "TENANTRY_NAMESPACE": NAMESPACE,
            "TENANTRY_OPS_PORT": "0",
            **self._settings,
        }
        command = [sys.executable, "-m", "tenantry_operator", "run"]
        self._program = Program(self.name, command, self.log, environment)
        self._program.wait_until(lambda: "metrics and probes" in self.log.read_text()[self._logged :], PATIENCE)

    def stop(self) -> int:
        """End it by SIGTERM; its exit code."""
        self.program.end(signal.SIGTERM)
        return self.program.process.returncode

    def kill(self) -> None:
        """End it at once."""
        self.program.end()

    def renew_token(self, text: str | None = None) -> None:
        """Put another token into its file, as the kubelet does: a new file in the place of the old one."""
        draft = self.token_file.with_suffix(".draft")
        draft.write_text(text or self._plane.service_account_token(NAMESPACE, OPERATOR, AUDIENCE))
        draft.rename(self.token_file)

    def samples(self, name: str, /, **labels: str) -> Iterator[float]:
        """The values of a metric with those labels."""
        _, text = self.ops.send("GET", "/metrics")
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    yield sample.value

    def metric(self, name: str, /, **labels: str) -> float:
        """The sum of them."""
        return sum(self.samples(name, **labels))

    def writes(self) -> float:
        """Requests that change the cluster, but for the Lease."""
        return sum(self.metric("rest_client_requests_total", method=method) for method in ("PATCH", "POST", "DELETE"))

    def handled(self) -> float:
        """Keys that were handled."""
        return self.metric("controller_runtime_reconcile_total")

    def is_idle(self) -> bool:
        """Whether nothing waits or is being handled."""
        return not (self.metric("workqueue_depth") or self.metric("workqueue_unfinished_work_seconds"))

    def catch_up(self, lists: int = 1) -> None:
        """Wait until everything was listed `lists` times and handled.

        What there is when the operator starts is listed twice: before kopf's watches stand, and after.
        """
        what = f"{self.name} is idle after {lists} lists"
        eventually(lambda: self.metric("tenantry_relists_total") >= lists and self.is_idle(), what)


class Site:
    """A control plane with our CRDs and rights, an API that knows it, and an operator between them."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.plane, self.folder = plane, folder
        self.kube = Client(plane.url, plane.admin_token, plane.tls)
        self.api = Api(folder / "api", plane)
        self.operator = self.replica("operator-1")

    def start(self) -> None:
        """Bring up what the control plane lacks."""
        install(self.plane)
        self.api.start()
        self.operator.start()

    def replica(self, name: str, **settings: str) -> Operator:
        """Another operator, not started yet."""
        return Operator(name, self.folder, self.plane, self.api, **settings)

    def stop(self) -> None:
        """End the operator and the API, whatever a failed test has left of them."""
        for program in (self.operator._program, self.api.program):
            if program:
                program.end()

    def apply(self, *documents: Document) -> None:
        """Apply documents by kubectl."""
        self.plane.kubectl(
            "apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})
        )

    def wait(self, what: str, *conditions: str) -> None:
        """Wait by kubectl for `conditions`, such as `--for=condition=Ready`, of `kind/name` or of a namespace's."""
        self.plane.kubectl("wait", *what.split(), *conditions, f"--timeout={PATIENCE}s")

    def get(self, plural: str, name: str, namespace: str = "") -> Document | None:
        """An object of the cluster: of ours, or a namespace, quota or limit range."""
        found: Document | None = self.kube.get(path_of(plural, name, namespace))
        return found

    def patch(self, plural: str, name: str, body: Document, namespace: str = "") -> Document:
        """An object after a merge patch by the administrator."""
        patched: Document = self.kube.do("PATCH", path_of(plural, name, namespace), body, MERGE)
        return patched

    def delete(self, plural: str, name: str, namespace: str = "") -> None:
        """Ask for an object's deletion; it may stay for as long as it has finalizers."""
        self.kube.do("DELETE", path_of(plural, name, namespace))

    def lease(self) -> Document:
        """The operator's Lease."""
        found: Document = self.kube.get(LEASE)
        return found

    def condition(self, plural: str, name: str, wanted: str, namespace: str = "") -> Document:
        """A condition of an object, empty when it has none of that type."""
        status = (self.get(plural, name, namespace) or {}).get("status") or {}
        return next((each for each in status.get("conditions", ()) if each["type"] == wanted), {})

    def until(  # noqa: PLR0913, PLR0917 - a condition and where it stands
        self, plural: str, name: str, kind: str, status: str, reason: str = "", namespace: str = ""
    ) -> Document:
        """The condition, once it has that status and reason."""

        def look() -> Document | None:
            found = self.condition(plural, name, kind, namespace)
            return found if found.get("status") == status and (not reason or found["reason"] == reason) else None

        try:
            return eventually(look, f"{plural}/{name} {kind}={status} {reason}")
        except AssertionError as error:
            error.add_note(json.dumps((self.get(plural, name, namespace) or {}).get("status"), indent=1))
            raise

    def until_gone(self, plural: str, name: str, namespace: str = "") -> None:
        """Wait until an object is no more."""
        eventually(lambda: self.get(plural, name, namespace) is None, f"{plural}/{name} is gone")

    def settle(self) -> None:
        """Wait until the operator is idle and every Plan has counted its tenants, which it does a second later."""
        self.operator.catch_up()

        def counted() -> bool:
            stored = self.api.admin.get(f"{GROUP}/tenants")["items"]
            on = Counter(item["spec"]["planRef"]["name"] for item in stored)
            shown = {
                item["metadata"]["name"]: item["status"]["tenants"] for item in self.kube.get(f"{GROUP}/plans")["items"]
            }
            return all(number == on[name] for name, number in shown.items())

        eventually(counted, "every plan has counted its tenants")
        self.operator.catch_up()

    def versions(self) -> set[tuple[str, str, str]]:
        """Path, UID and version of every object that the operator could have written, and of its Events.

        The version of a quota is what is ours of it, because Kubernetes keeps its status.
        """
        paths = [f"{GROUP}/{plural}" for plural in ("plans", "tenants", "configs")]
        paths += [f"/api/v1/{plural}" for plural in ("namespaces", "resourcequotas", "limitranges")]
        paths.append("/apis/events.k8s.io/v1/events")
        found = set()
        for path in paths:
            for item in self.kube.get(path)["items"]:
                metadata = item["metadata"]
                name = f"{metadata.get('namespace', '')}/{metadata['name']}"
                version = metadata["resourceVersion"]
                if path.endswith("/resourcequotas"):
                    applied = [entry for entry in metadata["managedFields"] if entry["manager"] == "tenantry"]
                    version = json.dumps([applied, item["spec"], metadata.get("labels")])
                found.add((f"{path}: {name}", metadata["uid"], version))
        return found

    def seq(self) -> str:
        """The number of the API's last change."""
        listed = self.api.admin.get(f"{GROUP}/tenants?limit=1")
        return str(listed["metadata"]["resourceVersion"])


def path_of(plural: str, name: str, namespace: str = "") -> str:
    """The path of an object, ours or of the core group."""
    root = GROUP if plural in ("plans", "tenants", "configs") else "/api/v1"
    return "/".join([root, *(["namespaces", namespace] if namespace else []), plural, name])


def is_up(client: Client) -> bool:
    """Whether its `/readyz` says so."""
    try:
        return client.send("GET", "/readyz")[0] == 200
    except (OSError, HTTPException):
        return False


def registered(plane: ControlPlane, name: str = CLUSTER) -> str:
    """`TENANTRY_CLUSTERS` with the cluster of `plane` and its operator."""
    keys = plane.jwks()
    cluster = {"name": name, "issuer": plane.issuer, "jwks": keys, "subjects": {SUBJECT: ["platform:reconcile"]}}
    return json.dumps([cluster])


def install(plane: ControlPlane) -> None:
    """Put the CRDs and the operator's rights into a cluster."""
    plane.kubectl("create", "namespace", NAMESPACE, check=False)
    plane.kubectl("apply", "--server-side", "-f", str(ROOT / "k8s" / "crds"))
    plane.kubectl("wait", "--for=condition=Established", "crd", "--all", f"--timeout={PATIENCE}s")
    plane.kubectl("apply", "-f", str(ROOT / "k8s" / "base" / "operator-rbac.yaml"))


def plan(name: str, **spec: Any) -> Document:
    """A Plan with a quota, defaults for containers, and room for three namespaces."""
    quota = {"hard": {"requests.cpu": "8", "pods": "100"}}
    limits = {"default": {"cpu": "500m"}, "defaultRequest": {"cpu": "50m"}}
    whole = {"displayName": name.title(), "quota": quota, "limits": limits, "maxNamespaces": 3} | spec
    return _document("Plan", {"name": name}, whole)


def tenant(name: str, plan: str = "pro", **spec: Any) -> Document:
    """A Tenant with one namespace, called prod."""
    whole = {"displayName": name.title(), "planRef": {"name": plan}, "namespaces": [{"name": "prod"}]} | spec
    return _document("Tenant", {"name": name}, whole)


def config(name: str, scope: Document, namespace: str = NAMESPACE, **spec: Any) -> Document:
    """A layer of the config set `web`."""
    whole = {"configSet": "web", "scope": scope} | spec
    return _document("Config", {"name": name, "namespace": namespace}, whole)


def _document(kind: str, metadata: Document, spec: Document) -> Document:
    return {"apiVersion": "tenantry.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
