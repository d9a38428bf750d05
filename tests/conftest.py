"""Fixtures for all tests come from `tests.support`; where CI is set, a test that is skipped fails.

A lane that silently skips looks green for months. What may skip in CI stands in `MAY_SKIP`, each with its reason.
"""

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

# what others import stands before them
pytest_plugins = [
    "tests.support.cluster",
    "tests.support.signing",
    "tests.support.server",
    "tests.support.limits",
    "tests.support.cli",
    "tests.support.databases",
    "tests.support.application",
    "tests.support.installation",
    "tests.support.chromium",
]

# how long an example takes says more of what runs beside it than of the code
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

#: start of a test's id -> why it may skip where CI is set
MAY_SKIP: dict[str, str] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where CI is set."""
    del call
    report = yield
    expected = hasattr(report, "wasxfail") or item.nodeid.startswith(tuple(MAY_SKIP))
    if report.skipped and os.environ.get("CI") == "true" and not expected:
        report.outcome = "failed"
        report.longrepr = f"skipped where CI is set: {report.longrepr}"
    return report
