"""The real parts do what tests rely on."""

import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pymysql
import pytest

from tests.cluster import tools
from tests.cluster.cache import UnavailableError, kept
from tests.cluster.controlplane import ControlPlane
from tests.cluster.databases import PASSWORD, USER, DatabaseServer
from tests.cluster.processes import StartError

ROOT = Path(__file__).resolve().parents[2]
STARTER = """
import sys
from pathlib import Path
from tests.cluster.controlplane import ControlPlane
plane = ControlPlane(Path(sys.argv[1]), controller_manager=False)
plane.start()
print(*(program.pid for program in plane.programs.values()), flush=True)
sys.stdin.read()
"""


@pytest.mark.cluster
def test_kubectl_reaches_the_control_plane(control_plane: ControlPlane) -> None:
    assert "Client Version: v1.36." in control_plane.kubectl("version").stdout
    assert "kube-root-ca.crt" in control_plane.kubectl("get", "configmaps").stdout


@pytest.mark.cluster
def test_the_oldest_kubectl_reaches_the_control_plane(control_plane: ControlPlane, old_kubectl: str) -> None:
    assert "Client Version: v1.32." in control_plane.kubectl("version", program=old_kubectl).stdout
    assert "kube-root-ca.crt" in control_plane.kubectl("get", "configmaps", program=old_kubectl).stdout


@pytest.mark.cluster
def test_kubectl_says_why_it_failed(control_plane: ControlPlane) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        control_plane.kubectl("get", "configmap", "absent")
    assert "not found" in caught.value.stderr


@pytest.mark.cluster
def test_a_service_account_authenticates_and_may_do_nothing(control_plane: ControlPlane) -> None:
    kubeconfig = control_plane.kubeconfig_for("default", "default")
    assert kubeconfig.stat().st_mode & 0o777 == 0o600
    who = control_plane.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}", kubeconfig=kubeconfig)
    assert who.stdout == "system:serviceaccount:default:default"
    refused = control_plane.kubectl("get", "secrets", kubeconfig=kubeconfig, check=False)
    assert "Forbidden" in refused.stderr


@pytest.mark.cluster
def test_a_token_is_for_its_audience_and_signed_by_a_published_key(control_plane: ControlPlane) -> None:
    token = control_plane.service_account_token("default", "default", "tenantry", 600)
    spec = {"token": token, "audiences": ["tenantry"]}
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
    status = control_plane.request("/apis/authentication.k8s.io/v1/tokenreviews", review)["status"]
    assert status["authenticated"]
    assert status["audiences"] == ["tenantry"]
    assert [key["kty"] for key in control_plane.jwks()["keys"]] == ["RSA"]


@pytest.mark.cluster
def test_a_paused_apiserver_answers_nothing_until_it_is_resumed(control_plane: ControlPlane) -> None:
    control_plane.pause_apiserver()
    try:
        with pytest.raises(TimeoutError):
            control_plane.request("/readyz/ping", timeout=1)
    finally:
        control_plane.resume_apiserver()
    assert control_plane.request("/version")["minor"] == "36"


@pytest.mark.cluster
def test_a_restarted_apiserver_keeps_objects_and_address(control_plane: ControlPlane) -> None:
    control_plane.kubectl("create", "configmap", "kept", "--from-literal=a=b")
    control_plane.stop_apiserver()
    with pytest.raises(ConnectionRefusedError):
        control_plane.request("/version")
    control_plane.start_apiserver()
    assert control_plane.kubectl("get", "configmap", "kept", "-o", "jsonpath={.data.a}").stdout == "b"


@pytest.mark.cluster
def test_nothing_is_left_when_the_starter_is_killed(control_plane: ControlPlane, tmp_path: Path) -> None:
    assert control_plane.programs
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, tmp_path], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with starter:
        assert starter.stdout is not None
        ends = [os.pidfd_open(int(pid)) for pid in starter.stdout.readline().split()]
        assert len(ends) == 2
        starter.send_signal(signal.SIGKILL)
    for end in ends:
        with os.fdopen(end) as handle:
            assert select.select([handle], [], [], 10)[0]


@pytest.mark.cluster
def test_nothing_is_left_when_a_start_fails(control_plane: ControlPlane, tmp_path: Path) -> None:
    assert control_plane.programs
    broken = ControlPlane(tmp_path, apiserver_flags=["--no-such-flag"])
    with pytest.raises(StartError, match="unknown flag: --no-such-flag"):
        broken.start()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", broken.etcd_port))


@pytest.fixture(params=["mariadb", "mysql97"])
def server(request: pytest.FixtureRequest) -> DatabaseServer:
    """Each database server in turn."""
    found: DatabaseServer = request.getfixturevalue(request.param)
    return found


def query(server: DatabaseServer, database: str, *statements: str) -> tuple[tuple[object, ...], ...]:
    """Run statements as the tests' user in one transaction and return the rows of the last."""
    with closing(
        pymysql.connect(host="127.0.0.1", port=server.port, user=USER, password=PASSWORD, database=database)
    ) as connection:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            rows: tuple[tuple[object, ...], ...] = cursor.fetchall()
        connection.commit()
        return rows


@pytest.mark.database
def test_committed_rows_survive_a_crash(server: DatabaseServer) -> None:
    server.create_database("crash")
    query(server, "crash", "CREATE TABLE numbers (n INT)", "INSERT INTO numbers VALUES (7)")
    server.kill9()
    assert not server.greets()
    server.restart()
    assert query(server, "crash", "SELECT n FROM numbers") == ((7,),)
    assert server.url("crash") == f"mysql://{USER}:{PASSWORD}@127.0.0.1:{server.port}/crash"


@pytest.mark.database
def test_a_frozen_server_accepts_and_never_greets(server: DatabaseServer) -> None:
    server.freeze()
    try:
        assert not server.greets(0.5)
    finally:
        server.thaw()
    assert server.greets()


@pytest.mark.database
def test_a_server_syncs_what_it_commits(server: DatabaseServer) -> None:
    synced = "SELECT @@innodb_flush_log_at_trx_commit, @@log_bin, @@sync_binlog"
    assert server.sql(synced).split() == {"mariadb": ["1", "0", "0"], "mysql": ["1", "1", "1"]}[server.name]


def test_without_go_nothing_is_built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UnavailableError, match="Go is not installed"):
        tools.program("etcd")


def test_what_could_not_be_made_is_not_kept(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise UnavailableError("no")

    def succeed(folder: Path) -> None:
        (folder / "whole").touch()

    with pytest.raises(UnavailableError):
        kept(tmp_path / "thing", fail)
    assert not list(tmp_path.glob("**/half"))
    assert [path.name for path in kept(tmp_path / "thing", succeed).iterdir()] == ["whole"]
    assert kept(tmp_path / "thing", fail).is_dir()
