"""The product, end to end: one set of documents, applied to a cluster with the operator and to the API alone.

A database server, the API, a real control plane and the operator as its own ServiceAccount; plain kubectl drives both
homes. What the two make of the same documents is compared.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.controlplane import ControlPlane
from tests.cluster.databases import MariaDB
from tests.support.operator import AUDIENCE, NAMESPACE, OPERATOR, install, registered
from tests.support.server import ServerProcess, server_process

SAMPLES = Path(__file__).parents[2] / "k8s" / "samples"
CLUSTER = "e2e"
KINDS = ("plans", "tenants", "configs")
#: conditions that both homes have, by kind
COMMON = {
    "Plan": {"Ready"},
    "Tenant": {"Ready", "PlanResolved", "WithinPlan", "HostnamesClaimed"},
    "Config": {"Ready", "Validated", "Published"},
}
READY_SECONDS = 60

pytestmark = [pytest.mark.cluster, pytest.mark.database, pytest.mark.slow, pytest.mark.timeout(240)]


def migrate(url: str, data_dir: Path) -> None:
    environment = {**os.environ, "TENANTRY_DATABASE_URL": url, "TENANTRY_DATA_DIR": str(data_dir)}
    subprocess.run([sys.executable, "-m", "tenantry", "migrate"], env=environment, check=True, capture_output=True)


@asynccontextmanager
async def operating(plane: ControlPlane, server: ServerProcess, folder: Path) -> AsyncIterator[Path]:
    """The operator as a process of its own, with exactly the generated RBAC; yields its log."""
    token = folder / "api-token"
    token.write_text(plane.service_account_token(NAMESPACE, OPERATOR, AUDIENCE))
    log = folder / "operator.log"
    environment = os.environ | {
        "KUBECONFIG": str(plane.kubeconfig_for(NAMESPACE, OPERATOR)),
        "TENANTRY_API_URL": server.base_url,
        "TENANTRY_API_TOKEN_FILE": str(token),
        "TENANTRY_CLUSTER": CLUSTER,
        "TENANTRY_NAMESPACE": NAMESPACE,
        "TENANTRY_OPS_PORT": "0",
    }
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tenantry_operator", "run", env=environment, stdout=stream, stderr=stream
        )
    try:
        yield log
    finally:
        if process.returncode is None:
            process.terminate()
            await asyncio.wait_for(process.wait(), 30)


class Home:
    """One of the two places where documents are applied."""

    def __init__(self, plane: ControlPlane, kubeconfig: Path) -> None:
        self._plane, self._kubeconfig = plane, kubeconfig

    async def kubectl(self, *arguments: str) -> str:
        """What kubectl prints; CalledProcessError when it fails."""

        def run() -> str:
            return self._plane.kubectl(*arguments, kubeconfig=self._kubeconfig).stdout

        return await asyncio.to_thread(run)

    async def objects(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Every object by kind and name."""
        listed = json.loads(await self.kubectl("get", ",".join(KINDS), "-A", "-o", "json"))
        return {(item["kind"], item["metadata"]["name"]): item for item in listed["items"]}

    async def apply_samples(self) -> None:
        """Apply the samples and wait until every object of them is Ready."""
        await self.kubectl("apply", "-f", str(SAMPLES))
        timeout = f"--timeout={READY_SECONDS}s"
        await self.kubectl("wait", "--for=condition=Ready", "tenant", "--all", timeout)
        await self.kubectl("wait", "--for=condition=Ready", "config", "--all", "-n", NAMESPACE, timeout)
        await self.kubectl("wait", "--for=condition=Ready", "plan", "--all", timeout)


def conditions(item: dict[str, Any]) -> dict[str, str]:
    return {
        condition["type"]: condition["status"]
        for condition in item["status"]["conditions"]
        if condition["type"] in COMMON[item["kind"]]
    }


async def test_the_same_documents_become_the_same_in_both_homes(
    control_plane: ControlPlane, mariadb: MariaDB, tmp_path: Path
) -> None:
    for name in ("cluster", "alone"):
        mariadb.create_database(f"e2e_{name}")
        migrate(mariadb.url(f"e2e_{name}"), tmp_path / name)
    await asyncio.to_thread(install, control_plane)
    clusters = {
        "TENANTRY_DATABASE_URL": mariadb.url("e2e_cluster"),
        "TENANTRY_CLUSTERS": registered(control_plane, CLUSTER),
    }
    alone = {"TENANTRY_DATABASE_URL": mariadb.url("e2e_alone")}
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with (
        server_process(tmp_path / "a", clusters) as api,
        server_process(tmp_path / "b", alone) as lonely,
        operating(control_plane, api, tmp_path) as log,
    ):
        cluster = Home(control_plane, control_plane.kubeconfig)
        standalone = Home(control_plane, lonely.kubeconfig)
        try:
            await standalone.apply_samples()
            await cluster.apply_samples()
        except subprocess.CalledProcessError as error:
            seen = await cluster.kubectl("get", ",".join(KINDS), "-A", "-o", "yaml")
            pytest.fail(f"{error} {error.stderr}\n{seen}\n{log.read_text()[-8000:]}")
        there, here = await cluster.objects(), await standalone.objects()
        assert there.keys() == here.keys()
        for key, item in here.items():
            assert there[key]["spec"] == item["spec"], key
            assert conditions(there[key]) == conditions(item), key
            assert set(conditions(item)) == COMMON[item["kind"]], key
        await _check_children(cluster)
        mirrored = await Home(control_plane, api.kubeconfig).objects()
        assert mirrored.keys() == there.keys()
        for key, item in mirrored.items():
            assert conditions(item) == conditions(there[key]), key


async def _check_children(cluster: Home) -> None:
    """What the cluster holds for acme, whose quota is shared 70 to 30, and that a deleted quota comes back."""
    quota = json.loads(await cluster.kubectl("get", "resourcequota", "tenantry", "-n", "acme-prod", "-o", "json"))
    assert quota["spec"]["hard"]["requests.cpu"] == "2800m"
    limits = json.loads(await cluster.kubectl("get", "limitrange", "tenantry", "-n", "acme-dev", "-o", "json"))
    assert limits["spec"]["limits"][0]["default"]["cpu"] == "500m"
    await cluster.kubectl("delete", "resourcequota", "tenantry", "-n", "acme-prod")
    await cluster.kubectl("wait", "--for=create", "resourcequota/tenantry", "-n", "acme-prod", "--timeout=30s")
