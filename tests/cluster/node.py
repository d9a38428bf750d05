"""A Kubernetes of one node, whose pods run: a control plane, and a kubelet with containerd in namespaces of their own.

By hand: `python3 tests/cluster/node.py up`, `status` and `down` keep one running in the background.
"""

import json
import os
import shlex
import sys
from http import HTTPStatus
from ipaddress import IPv4Network
from pathlib import Path
from string import Template
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from tests.cluster import controlplane, images, keeper, tools
from tests.cluster.cache import UnavailableError
from tests.cluster.controlplane import PATIENCE, ControlPlane
from tests.cluster.namespaces import Namespaces
from tests.cluster.packages import ensure_packages
from tests.cluster.processes import Program, accepts

NAME = "node"
MANIFEST = Path(__file__).with_name("coredns.yaml")

CONTAINERD = """\
version = 3
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "$pause"
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["$plugins"]
conf_dir = "$networks"
"""


class Node(ControlPlane):
    """A control plane with a node of its own, whose pods and Services this machine reaches by their addresses."""

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(folder)
        self.within = Namespaces(self.folder / "node")
        pki = self.folder / "pki"
        self.apiserver_flags = [
            "--endpoint-reconciler-type=lease",
            "--kubelet-preferred-address-types=InternalIP",
            f"--kubelet-client-certificate={pki / 'admin.crt'}",
            f"--kubelet-client-key={pki / 'admin.key'}",
        ]

    def start(self) -> None:
        """Start everything and wait until pods run and Services answer; what was started is stopped when that fails.

        Raises:
            UnavailableError: a program can't be had on this machine.
            StartError: one does not start.
        """
        try:
            prepare()
            self.within.start()
            self.address = self.within.host
            _, self.pods, self.services, *_ = self.within.network.subnets(new_prefix=20)
            self._start_containerd()
            super().start()
            self._start_scheduler()
            self._start_kubelet()
            self._start_proxy()
            self._start_dns()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the node, then its control plane."""
        self.within.stop()
        super().stop()

    def describe(self) -> str:
        """Return how to reach it from a shell."""
        load = self.within.command(tools.program("ctr"), "--namespace=k8s.io", "images", "import", "--local", "-")
        return f"{super().describe()}\n# bring an image: docker save NAME | {shlex.join(load)}"

    def load(self, archive: Path) -> None:
        """Bring the images of an archive, as `docker save` writes it, to the node, which pulls none."""
        self.within.run(tools.program("ctr"), "--namespace=k8s.io", "images", "import", "--local", archive)

    def _start_containerd(self) -> None:
        folder = self.within.folder
        networks = folder / "networks"
        networks.mkdir()
        plugins = tools.program("bridge").parent
        config = Template(CONTAINERD).substitute(pause=images.PAUSE, plugins=plugins, networks=networks)
        (folder / "containerd.toml").write_text(config, encoding="utf-8")
        (networks / "pods.conflist").write_text(json.dumps(pod_network(self.pods)), encoding="utf-8")
        containerd = self._run_within("containerd", f"--config={folder / 'containerd.toml'}")
        listening = Path("/proc", self.within.pid, "root", "run/containerd/containerd.sock")
        containerd.wait_until(listening.exists, PATIENCE)
        for archive in (images.pause(), images.coredns(), images.busybox()):
            self.load(archive)

    def _start_scheduler(self) -> None:
        kubeconfig = self._kubeconfig_of("system:kube-scheduler")
        self._run("kube-scheduler", f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--secure-port=0")

    def _start_kubelet(self) -> None:
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {"x509": {"clientCAFile": str(self.ca_path)}},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self.within.name}",
            "clusterDNS": [self.name_server],
            "clusterDomain": "cluster.local",
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "failCgroupV1": False,
            "failSwapOn": False,
            "resolvConf": "",
        }
        path = self.within.folder / "kubelet.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        kubelet = self._run_within(
            "kubelet",
            f"--config={path}",
            f"--kubeconfig={self._kubeconfig_of(f'system:node:{NAME}')}",
            f"--hostname-override={NAME}",
            f"--node-ip={self.within.address}",
        )
        kubelet.wait_until(lambda: self._holds(f"/api/v1/nodes/{NAME}", "Ready"), PATIENCE)

    def _start_proxy(self) -> None:
        self._run_within(
            "kube-proxy",
            "--proxy-mode=nftables",
            f"--kubeconfig={self._kubeconfig_of('system:kube-proxy')}",
            f"--hostname-override={NAME}",
            f"--cluster-cidr={self.pods}",
            # limits of the whole machine, which stay as they are
            "--conntrack-max-per-core=0",
            "--conntrack-min=0",
        )

    def _start_dns(self) -> None:
        manifest = Template(MANIFEST.read_text(encoding="utf-8"))
        self.kubectl("apply", "-f", "-", input=manifest.substitute(image=images.COREDNS, address=self.name_server))
        path = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"
        proxy = self.programs["kube-proxy"]
        proxy.wait_until(lambda: self._holds(path, "Available") and accepts(self.name_server, 53), PATIENCE)

    @property
    def name_server(self) -> str:
        """The address of the Service that pods ask for names."""
        return str(self.services[10])

    def _run_within(self, name: str, *flags: str) -> Program:
        folders = [str(tools.program(program).parent) for program in ("containerd", "runc")]
        env = os.environ | {"PATH": os.pathsep.join([*folders, os.environ["PATH"]])}
        command = self.within.command(tools.program(name), *flags)
        self.programs[name] = Program(name, command, self.folder / f"{name}.log", env)
        return self.programs[name]

    def _holds(self, path: str, condition: str) -> bool:
        """Whether a condition of an object is true."""
        status, text = self._exchange(path)
        conditions = json.loads(text)["status"].get("conditions", []) if status == HTTPStatus.OK else []
        return (condition, "True") in [(each["type"], each["status"]) for each in conditions]


def pod_network(pods: IPv4Network) -> dict[str, Any]:
    """Return the CNI configuration of a bridge that all pods hang on."""
    addresses = {"type": "host-local", "ranges": [[{"subnet": str(pods)}]]}
    bridge = {"type": "bridge", "bridge": "pods", "isDefaultGateway": True, "hairpinMode": True, "ipam": addresses}
    ports = {"type": "portmap", "backend": "nftables", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge, ports]}


def prepare() -> None:
    """Build and install what a node needs; it costs many minutes once, and nothing after.

    Raises:
        UnavailableError: it can't be had on this machine.
    """
    if os.geteuid() != 0:
        raise UnavailableError("only root may run a node")
    ensure_packages("gcc", "iproute2", "libc6-dev", "libseccomp-dev", "nftables", "pkg-config")
    controlplane.prepare()
    tools.prepare("kubelet", "containerd", "runc", "bridge", "coredns")
    for make in (images.pause, images.busybox, images.coredns):
        make()


if __name__ == "__main__":
    sys.exit(keeper.main(sys.argv[1:], "node", Node))
