"""Fixtures of the chart: Helm 4 and the oldest Helm 3 that is supported."""

import pytest

from tests.chart.helm import Helm
from tests.support.cluster import demand


@pytest.fixture(scope="session")
def helm() -> Helm:
    """Helm 4."""
    demand("helm")
    return Helm()


@pytest.fixture(scope="session")
def old_helm() -> Helm:
    """The oldest Helm that is supported."""
    demand("old_helm")
    return Helm("helm-3.17")


@pytest.fixture(params=["helm", "old_helm"])
def any_helm(request: pytest.FixtureRequest) -> Helm:
    """Each of them."""
    found: Helm = request.getfixturevalue(request.param)
    return found
