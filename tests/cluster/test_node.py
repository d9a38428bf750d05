"""A node runs pods as a cluster would, and leaves nothing behind."""

import os
import re
import select
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import images, tools
from tests.cluster.controlplane import ControlPlane
from tests.cluster.namespaces import control_groups
from tests.cluster.node import Node
from tests.cluster.processes import StartError, accepts

pytestmark = pytest.mark.node

ROOT = Path(__file__).resolve().parents[2]
STARTER = """
import sys
from pathlib import Path
from tests.cluster.node import Node
node = Node(Path(sys.argv[1]))
node.start()
print(node.within.name, node.within.keeper.pid, flush=True)
sys.stdin.read()
"""

# what the namespace standard "restricted" lets run, and a Service in front of it
WEB = f"""
apiVersion: v1
kind: Pod
metadata: {{name: web, labels: {{app: web}}}}
spec:
  terminationGracePeriodSeconds: 0
  securityContext: {{runAsNonRoot: true, runAsUser: 10001, seccompProfile: {{type: RuntimeDefault}}}}
  containers:
  - name: web
    image: {images.BUSYBOX}
    args: [-c, 'cd /tmp; echo hello > index.html; echo started; exec httpd -f -p 8080']
    readinessProbe: {{httpGet: {{path: /, port: 8080}}, periodSeconds: 1}}
    securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{selector: {{app: web}}, ports: [{{port: 80, targetPort: 8080}}]}}
"""


@pytest.fixture(scope="module")
def web(node: Node) -> Iterator[str]:
    """A namespace with a pod and a Service called web."""
    node.kubectl("create", "namespace", "web")
    node.kubectl("label", "namespace", "web", "pod-security.kubernetes.io/enforce=restricted")
    node.kubectl("apply", "--namespace=web", "-f", "-", input=WEB)
    node.kubectl("wait", "--namespace=web", "--for=condition=Ready", "pod/web", "--timeout=60s")
    yield "web"
    node.kubectl("delete", "namespace", "web")


def get(url: str) -> str:
    """Return what an address answers."""
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - the caller's own
        return str(answer.read().decode())


def test_a_pod_runs_and_tells_what_it_does(node: Node, web: str) -> None:
    assert node.kubectl("logs", f"--namespace={web}", "web").stdout == "started\n"
    assert "uid=10001" in node.kubectl("exec", f"--namespace={web}", "web", "--", "id").stdout


def test_a_service_answers_by_its_address_and_its_name(node: Node, web: str) -> None:
    address = node.request(f"/api/v1/namespaces/{web}/services/web")["spec"]["clusterIP"]
    node.programs["kube-proxy"].wait_until(lambda: accepts(address, 80), 30)  # it follows what the API server has
    assert get(f"http://{address}/") == "hello\n"
    inside = node.kubectl("exec", f"--namespace={web}", "web", "--", "wget", "-qO-", "http://web.web.svc.cluster.local")
    assert inside.stdout == "hello\n"


def test_a_port_of_a_pod_is_forwarded(node: Node, web: str) -> None:
    kubectl = str(tools.program("kubectl"))
    command = [kubectl, f"--kubeconfig={node.kubeconfig}", f"--namespace={web}", "port-forward", "pod/web", ":8080"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as forward:
        assert forward.stdout is not None
        port = re.findall(r"127\.0\.0\.1:(\d+)", forward.stdout.readline())
        assert get(f"http://127.0.0.1:{port[0]}/") == "hello\n"
        forward.terminate()


def test_a_pod_reaches_the_apiserver_as_its_service_account(node: Node, web: str) -> None:
    script = "nc -w 5 kubernetes.default 443 < /dev/null && cat /var/run/secrets/kubernetes.io/serviceaccount/namespace"
    assert node.kubectl("exec", f"--namespace={web}", "web", "--", "sh", "-c", script).stdout == web


def test_nothing_is_left_when_the_starter_is_killed(node: Node, control_plane: ControlPlane, tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, tmp_path], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with starter:
        assert starter.stdout is not None
        name, keeper = starter.stdout.readline().split()
        end = os.pidfd_open(int(keeper))
        assert all(group.exists() for group in control_groups(name))
        starter.send_signal(signal.SIGKILL)
    with os.fdopen(end) as handle:
        assert select.select([handle], [], [], 20)[0]
    assert not any(group.exists() for group in control_groups(name))
    assert running_in(tmp_path) == []
    assert str(tmp_path) not in Path("/proc/mounts").read_text(encoding="utf-8")
    while Path("/sys/class/net", name).exists() or str(tmp_path) in disks():
        time.sleep(0.05)  # the kernel takes its time for these; that of the test is limited
    assert node.kubectl("get", "--raw", "/readyz").stdout == control_plane.kubectl("get", "--raw", "/readyz").stdout


def disks() -> str:
    """Return which files serve as disks."""
    return subprocess.run(["losetup", "--list"], capture_output=True, text=True, check=True).stdout


def running_in(folder: Path) -> list[bytes]:
    """Return the command lines that name a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = process.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        if bytes(folder) in command:
            found.append(command)
    return found


def test_nothing_is_left_when_a_start_fails(node: Node, tmp_path: Path) -> None:
    assert node.programs
    broken = Node(tmp_path)
    broken.apiserver_flags = ["--no-such-flag"]
    with pytest.raises(StartError, match="unknown flag: --no-such-flag"):
        broken.start()
    assert not Path("/sys/class/net", broken.within.name).exists()
    assert not any(group.exists() for group in control_groups(broken.within.name))
