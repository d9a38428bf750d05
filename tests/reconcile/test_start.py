"""What keeps the operator from working: one line and a code when it cannot start, a failing probe while it waits."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tenantry.settings import WrongSettingError
from tenantry_operator.settings import read_settings
from tests.cluster.controlplane import ControlPlane
from tests.support.operator import Site, eventually

pytestmark = pytest.mark.slow  # each starts a program anew

KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: none, user: {token: none}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
current-context: none
"""


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """Settings that are right, of a cluster and an API that are away."""
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    (tmp_path / "token").write_text("token")
    return {
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
        "TENANTRY_API_URL": "https://127.0.0.1:1",
        "TENANTRY_API_TOKEN_FILE": str(tmp_path / "token"),
        "TENANTRY_CLUSTER": "east",
        "TENANTRY_OPS_PORT": "0",
        "TENANTRY_LEADER_ELECTION": "Disabled",
    }


def run(settings: dict[str, str], **others: str) -> tuple[int, list[str]]:
    """The exit code of an operator that cannot start, and what it wrote."""
    done = subprocess.run(
        [sys.executable, "-m", "tenantry_operator", "run"],
        env=os.environ | settings | others,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr.splitlines()


@pytest.mark.parametrize(
    ("setting", "content", "said"),
    [
        ("TENANTRY_API_TOKEN_FILE", None, "TENANTRY_API_TOKEN_FILE: cannot read {path}: No such file or directory"),
        ("TENANTRY_API_CA_FILE", None, "TENANTRY_API_CA_FILE: cannot read {path}: No such file or directory"),
        ("TENANTRY_API_CA_FILE", "x", "TENANTRY_API_CA_FILE: {path} holds no CA certificate in PEM form"),
        ("KUBECONFIG", None, "the kubeconfig cannot be used: "),
        ("KUBECONFIG", "x", "the kubeconfig cannot be used: "),
    ],
)
def test_an_unusable_file_is_one_line(
    settings: dict[str, str], tmp_path: Path, setting: str, content: str | None, said: str
) -> None:
    path = tmp_path / "unusable"
    if content is not None:
        path.write_text(content)
    code, lines = run(settings, **{setting: str(path)})
    assert code == 78
    assert len(lines) == 1
    assert lines[0].startswith(f"tenantry-operator: {said.format(path=path)}")


def test_a_port_that_is_taken_is_one_line(settings: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, lines = run(settings, TENANTRY_OPS_PORT=str(port))
    assert code == 69
    assert lines == [f"tenantry-operator: TENANTRY_OPS_PORT: port {port} on 127.0.0.1 is in use by another process"]


def test_a_cluster_that_is_away_is_the_last_line(settings: dict[str, str]) -> None:
    code, lines = run(settings)
    assert code == 69
    assert lines[-1].startswith("tenantry-operator: kube-apiserver cannot be reached: ")


@pytest.mark.cluster
def test_a_cluster_that_grants_nothing_is_the_last_line(settings: dict[str, str], site: Site) -> None:
    code, lines = run(settings, KUBECONFIG=str(site.plane.kubeconfig_for("default", "default")))
    assert code == 77
    assert lines[-1].startswith("tenantry-operator: ")
    assert 'cannot list resource "' in lines[-1]


@pytest.mark.cluster
def test_a_cluster_without_our_kinds_is_the_last_line(settings: dict[str, str], control_plane: ControlPlane) -> None:
    del control_plane  # it has them by now; but it can be had on this machine
    with ControlPlane() as bare:
        code, lines = run(settings, KUBECONFIG=str(bare.kubeconfig))
    assert code == 1
    said = "the cluster does not serve plans of tenantry.dev/v1alpha1: is its CRD installed?"
    assert lines[-1] == f"tenantry-operator: {said}"


@pytest.mark.cluster
def test_a_lease_that_may_not_be_taken_is_waited_for_and_the_probe_says_so(
    settings: dict[str, str], site: Site
) -> None:
    replica = site.replica("nobody", TENANTRY_API_TOKEN_FILE=settings["TENANTRY_API_TOKEN_FILE"])
    replica.start(site.plane.kubeconfig_for("default", "default"))
    try:
        eventually(lambda: replica.ops.send("GET", "/readyz")[0] == 503, "it is not ready")
        assert 'cannot get resource "leases"' in replica.ops.send("GET", "/readyz")[1]
        assert replica.ops.send("GET", "/livez")[0] == 200
    finally:
        assert replica.stop() == 0


def test_wrong_settings_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("API_URL", ""), ("API_TOKEN_FILE", os.devnull), ("CLUSTER", "Not A Name"), ("OPS_PORT", "x")):
        monkeypatch.setenv(f"TENANTRY_{name}", value)
    with pytest.raises(WrongSettingError) as caught:
        read_settings()
    assert re.findall(r"(TENANTRY_\w+): ", str(caught.value)) == [
        "TENANTRY_API_URL",
        "TENANTRY_CLUSTER",
        "TENANTRY_OPS_PORT",
    ]
