"""Fixtures for the real parts of tests: one control plane, one node, one engine, one server of each kind.

A part that can't be had on this machine skips its tests with the reason; where CI is set, it fails them.
Parts start when the first test asks for them, and live for the session. What takes minutes once, building and
installing, is done after collection and only for the tests that were selected, so that no test's timeout counts it.
"""

import os
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from tests.cluster import controlplane, tools
from tests.cluster import node as whole_node
from tests.cluster.cache import UnavailableError
from tests.cluster.controlplane import ControlPlane
from tests.cluster.databases import MariaDB, MySQL97
from tests.cluster.node import Node
from tests.cluster.packages import ensure_packages
from tests.image import standins
from tests.image.engine import Engine

PARTS: dict[str, Callable[[], None]] = {
    "control_plane": controlplane.prepare,
    "site": controlplane.prepare,
    "plane": controlplane.prepare,
    "helm": lambda: tools.prepare("helm"),
    "old_helm": lambda: tools.prepare("helm-3.17"),
    "kubectl": lambda: tools.prepare("kubectl"),
    "skaffold_schema": lambda: tools.prepare("skaffold-schema"),
    "old_kubectl": lambda: tools.prepare("kubectl-1.32"),
    "promtool": lambda: ensure_packages("prometheus"),
    "node": whole_node.prepare,
    "engine": standins.prepare,
    "mariadb": MariaDB.prepare,
    "mysql97": MySQL97.prepare,
}


def pytest_collection_finish(session: pytest.Session) -> None:
    """Prepare the parts that the selected tests need: as a fixture, or as the parameter that names one."""
    if session.config.option.collectonly:
        return
    tests = [item for item in session.items if isinstance(item, pytest.Function)]
    fixtures = {name for test in tests for name in test.fixturenames}
    parameters = [value for test in tests if hasattr(test, "callspec") for value in test.callspec.params.values()]
    for part in [part for part in PARTS if part in fixtures or part in parameters]:
        session.config.get_terminal_writer().line(f"preparing {part} (minutes the first time, nothing after)")
        why_not(part)


@cache
def why_not(part: str) -> str | None:
    """Prepare a part and return why it can't be had, or nothing."""
    try:
        PARTS[part]()
    except UnavailableError as error:
        return str(error)
    return None


def demand(part: str) -> None:
    """Skip the test when a part can't be had; fail it where CI is set."""
    reason = why_not(part)
    if reason is not None and os.environ.get("CI") == "true":
        pytest.fail(f"{part}: {reason}", pytrace=False)
    if reason is not None:
        pytest.skip(f"{part}: {reason}")


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """A real kube-apiserver with etcd and the controllers."""
    demand("control_plane")
    with ControlPlane() as plane:
        yield plane


@pytest.fixture(scope="session")
def old_kubectl() -> str:
    """The oldest kubectl that is supported, as `ControlPlane.kubectl` takes its name."""
    demand("old_kubectl")
    return "kubectl-1.32"


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    """A real Kubernetes whose pods run."""
    demand("node")
    with Node() as started:
        yield started


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A Docker engine; `standins.provide` gives it the images that tests build on."""
    demand("engine")
    with Engine() as started:
        yield started


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """A MariaDB server."""
    demand("mariadb")
    with MariaDB() as server:
        yield server


@pytest.fixture(scope="session")
def mysql97() -> Iterator[MySQL97]:
    """A MySQL 9.7 server that writes a binary log."""
    demand("mysql97")
    with MySQL97(binlog=True) as server:
        yield server
