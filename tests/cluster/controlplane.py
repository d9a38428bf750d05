"""A Kubernetes control plane of a test's own: etcd, kube-apiserver and kube-controller-manager on loopback.

By hand: `python3 tests/cluster/controlplane.py up`, `status` and `down` keep one running in the background.
"""

import base64
import json
import secrets
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPException, HTTPSConnection
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Self

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from tests.cluster import keeper, tools
from tests.cluster.pki import make_pki
from tests.cluster.processes import Program, execute, free_port

ISSUER = "https://kubernetes.default.svc.cluster.local"
PATIENCE = 60

#: user -> the group that its token names
USERS = {
    "admin": "system:masters",
    "system:kube-controller-manager": "system:authenticated",
    "system:kube-scheduler": "system:authenticated",
    "system:kube-proxy": "system:authenticated",
    "system:node:node": "system:nodes",
}


class ControlPlane:
    """A control plane that lives from `start` to `stop`, or as long as a with statement.

    Args:
        folder: where its data, keys, logs and kubeconfigs are; a temporary one that `stop` removes by default.
        controller_manager: also run the controllers (garbage collection, ServiceAccounts, namespaces, ...).
        issuer: what ServiceAccount tokens name as `iss`, and take as the audience where none is asked for.
        apiserver_flags: further flags of kube-apiserver.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        controller_manager: bool = True,
        issuer: str = ISSUER,
        apiserver_flags: Sequence[str] = (),
    ) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="tenantry-cluster-"))
        self.temporary = folder is None
        self.controller_manager = controller_manager
        self.issuer = issuer
        self.apiserver_flags = apiserver_flags
        self.address = "127.0.0.1"
        self.services = IPv4Network("10.96.0.0/16")
        self.tokens = {user: secrets.token_urlsafe(24) for user in USERS}
        self.etcd_port, self.peer_port, self.port = free_port(), free_port(), free_port()
        self.ca_path = self.folder / "pki" / "ca.crt"
        self.kubeconfig = self.folder / "admin.kubeconfig"
        self.programs: dict[str, Program] = {}

    @property
    def url(self) -> str:
        """Where kube-apiserver answers."""
        return f"https://{self.address}:{self.port}"

    @property
    def admin_token(self) -> str:
        """The token of somebody who may do everything."""
        return self.tokens["admin"]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and wait until it answers; what was started is stopped when that fails.

        Raises:
            UnavailableError: a program can't be had on this machine.
            StartError: one does not start.
        """
        try:
            prepare()
            make_pki(self.folder / "pki", self.address, str(self.services[1]))
            self.tls = ssl.create_default_context(cafile=self.ca_path)
            rows = [f'{token},{user},{user},"{USERS[user]}"\n' for user, token in self.tokens.items()]
            write_private(self.folder / "tokens.csv", "".join(rows))
            self._write_kubeconfig(self.kubeconfig, self.admin_token)
            self._start_etcd()
            self.start_apiserver()
            if self.controller_manager:
                self._start_controller_manager()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill the programs, those that depend on others first, and remove a temporary folder."""
        for program in reversed(self.programs.values()):
            program.end()
        self.programs.clear()
        if self.temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _start_etcd(self) -> None:
        client, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{self.peer_port}"
        self._run(
            "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        )

    def start_apiserver(self) -> None:
        """Start kube-apiserver, after `stop_apiserver`, and wait until it is ready."""
        pki = self.folder / "pki"
        apiserver = self._run(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            f"--bind-address={self.address}",
            f"--advertise-address={self.address}",
            "--endpoint-reconciler-type=none",
            f"--secure-port={self.port}",
            f"--service-cluster-ip-range={self.services}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            "--profiling=false",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            f"--client-ca-file={pki / 'ca.crt'}",
            f"--tls-cert-file={pki / 'apiserver.crt'}",
            f"--tls-private-key-file={pki / 'apiserver.key'}",
            f"--service-account-issuer={self.issuer}",
            f"--service-account-key-file={pki / 'sa.pub'}",
            f"--service-account-signing-key-file={pki / 'sa.key'}",
            *self.apiserver_flags,
        )
        apiserver.wait_until(lambda: self._answers("/readyz"), PATIENCE)

    def _start_controller_manager(self) -> None:
        pki, kubeconfig = self.folder / "pki", self._kubeconfig_of("system:kube-controller-manager")
        manager = self._run(
            "kube-controller-manager",
            f"--kubeconfig={kubeconfig}",
            "--use-service-account-credentials",
            f"--root-ca-file={pki / 'ca.crt'}",
            f"--service-account-private-key-file={pki / 'sa.key'}",
            "--leader-elect=false",
            "--secure-port=0",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
        )
        manager.wait_until(lambda: self._answers("/api/v1/namespaces/default/serviceaccounts/default"), PATIENCE)

    def describe(self) -> str:
        """Return how to reach it from a shell."""
        return f"# {self.url}\nexport KUBECONFIG={self.kubeconfig}\nexport PATH={tools.program('kubectl').parent}:$PATH"

    def stop_apiserver(self) -> None:
        """Kill kube-apiserver: its port then refuses connections."""
        self.programs.pop("kube-apiserver").end()

    def restart_apiserver(self) -> None:
        """Kill kube-apiserver and start it again on the same port."""
        self.stop_apiserver()
        self.start_apiserver()

    def pause_apiserver(self) -> None:
        """Freeze kube-apiserver: connections are accepted and never answered."""
        self.programs["kube-apiserver"].pause()

    def resume_apiserver(self) -> None:
        """Let a frozen kube-apiserver go on."""
        self.programs["kube-apiserver"].resume()

    def kubectl(
        self,
        *arguments: str,
        input: str | None = None,  # noqa: A002 - the name that subprocess.run gives it
        check: bool = True,
        program: str = "kubectl",
        kubeconfig: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl, as the admin unless told otherwise; `program` is a kubectl of `tools.TOOLS`.

        Raises:
            subprocess.CalledProcessError: it failed and `check` is true; what it said is in the error's notes.
        """
        options = [f"--kubeconfig={kubeconfig or self.kubeconfig}", f"--cache-dir={self.folder / 'kubectl'}"]
        return execute([tools.program(program), *options, *arguments], input=input, check=check)

    def request(self, path: str, body: object = None, *, timeout: float = 10) -> Any:
        """GET a path as the admin, or POST a JSON body to it, and return the JSON answer."""
        status, text = self._exchange(path, body, timeout)
        if status >= HTTPStatus.BAD_REQUEST:
            raise RuntimeError(f"{path} answered {status}: {text}")
        return json.loads(text)

    def service_account_token(self, namespace: str, name: str, audience: str | None = None, seconds: int = 3600) -> str:
        """Return a fresh token of a ServiceAccount; the API server takes no less than 600 seconds."""
        spec = {"expirationSeconds": seconds, "audiences": [audience] if audience else []}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        return str(self.request(path, body)["status"]["token"])

    def jwks(self) -> dict[str, Any]:
        """Return the key set that ServiceAccount tokens are signed with."""
        keys: dict[str, Any] = self.request("/openid/v1/jwks")
        return keys

    def kubeconfig_for(self, namespace: str, name: str) -> Path:
        """Write a kubeconfig that authenticates as a ServiceAccount by a fresh token, and return its path."""
        path = self.folder / f"{namespace}.{name}.kubeconfig"
        self._write_kubeconfig(path, self.service_account_token(namespace, name))
        return path

    def _kubeconfig_of(self, user: str) -> Path:
        """Write a kubeconfig of one of `USERS`, and return its path."""
        path = self.folder / f"{user.rpartition(':')[2]}.kubeconfig"
        self._write_kubeconfig(path, self.tokens[user])
        return path

    def _run(self, name: str, *flags: str) -> Program:
        self.programs[name] = Program(name, [tools.program(name), *flags], self.folder / f"{name}.log")
        return self.programs[name]

    def _answers(self, path: str) -> bool:
        try:
            return self._exchange(path)[0] == HTTPStatus.OK
        except (OSError, HTTPException):
            return False

    def _exchange(self, path: str, body: object = None, timeout: float = 10) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {self.admin_token}", "Content-Type": "application/json"}
        with closing(HTTPSConnection(self.address, self.port, timeout=timeout, context=self.tls)) as connection:
            if body is None:
                connection.request("GET", path, headers=headers)
            else:
                connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def _write_kubeconfig(self, path: Path, token: str) -> None:
        authority = base64.b64encode(self.ca_path.read_bytes()).decode()
        cluster = {"server": self.url, "certificate-authority-data": authority}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "user", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "user"}}],
            "current-context": "test",
        }
        write_private(path, json.dumps(config, indent=2) + "\n")


def prepare() -> None:
    """Build what a control plane needs; it costs minutes once, and nothing after.

    Raises:
        UnavailableError: it can't be built on this machine.
    """
    tools.prepare("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(keeper.main(sys.argv[1:], "cluster", ControlPlane))
