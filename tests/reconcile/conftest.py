"""One site for all of these tests: a control plane of its own, because it is restarted, an API and an operator."""

from collections.abc import Iterator

import pytest

from tests.cluster.controlplane import ControlPlane
from tests.support.cluster import demand
from tests.support.operator import Site, plan


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """All of it, with the Plan `pro`."""
    demand("site")
    with ControlPlane() as plane:
        running = Site(plane, tmp_path_factory.mktemp("site"))
        try:
            running.start()
            running.apply(plan("pro"))
            running.until("plans", "pro", "Ready", "True")
            yield running
        finally:
            running.stop()
