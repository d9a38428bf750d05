"""How long each lane of a test run took, printed at the end, which tests share a worker, and where their files are.

A test is in the lane of the first marker of `LANES` that it has. What the lane's servers need to start counts for the
test that asked first; what is built or installed once stands in a line of its own.

Workers run tests side by side, but all that need a machine of their own (a node, an engine, a control plane) on one of
them, and all that need a database server on one, so that each of those starts once and nothing disturbs it.

Files of tests are small, short-lived and synced at every commit: where there is room they are in memory, so that nobody
waits for a disk that is busy with something else.

How long a whole run took is kept for `make bench-shipping`: as a cold one when something had to be built or installed.
"""

import json
import os
import time
from collections import Counter, defaultdict
from collections.abc import Generator
from contextlib import suppress
from typing import Any

import pytest

from tests.worktree import ROOT

#: kind of run -> seconds of the last one that was whole
RUNS = ROOT / ".tenantry" / "test-runs.json"
#: seconds of preparation from which on a run was cold
COLD = 60.0
#: what a system keeps in memory, and how many bytes must be free there
MEMORY, ROOM = "/dev/shm", 4 * 1024**3  # noqa: S108 - pytest makes a directory there that is its user's alone
#: marker -> which worker's its tests are; the others are anybody's
LANES = {"node": "machine", "image": "machine", "cluster": "machine", "browser": "", "database": "database", "slow": ""}


class Lanes:
    """Adds up seconds and tests by lane."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.tests: Counter[str] = Counter()
        self.preparation = 0.0
        self.begun = time.monotonic()

    @pytest.hookimpl(tryfirst=True)  # a worker looks for these marks in the same hook
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Say which tests share a worker."""
        for item in items:
            if worker := LANES.get(_lane(item)):
                item.add_marker(pytest.mark.xdist_group(worker))

    @pytest.hookimpl(wrapper=True)
    def pytest_collection_finish(self, session: pytest.Session) -> Generator[None]:
        """Time what is prepared for the tests."""
        start = time.monotonic()
        yield
        self.preparation = time.monotonic() - start
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["preparation"] = self.preparation

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over how long a worker prepared."""
        self.preparation = max(self.preparation, getattr(node, "workeroutput", {}).get("preparation", 0.0))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Let the report say the lane, on its way from a worker too."""
        report = yield
        report.lane = _lane(item)
        return report

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Count a test's set-up, call or tear-down."""
        self.seconds[report.lane] += report.duration
        self.tests[report.lane] += report.when == "setup"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the lanes, the longest first."""
        terminalreporter.section("lanes")
        for lane, seconds in sorted(self.seconds.items(), key=lambda each: -each[1]):
            terminalreporter.line(f"{lane:12} {seconds:7.1f} s  {self.tests[lane]} tests")
        terminalreporter.line(f"{'preparation':12} {self.preparation:7.1f} s")
        options = terminalreporter.config.option
        if not (options.markexpr or options.keyword or options.file_or_dir or options.collectonly):
            kind = "cold" if self.preparation > COLD else "warm"
            RUNS.parent.mkdir(exist_ok=True, mode=0o700)
            RUNS.write_text(json.dumps(runs() | {kind: round(time.monotonic() - self.begun, 1)}))


def _lane(item: pytest.Item) -> str:
    return next(filter(item.get_closest_marker, LANES), "unit")


def runs() -> dict[str, float]:
    """What is kept of whole runs."""
    return json.loads(RUNS.read_text()) if RUNS.exists() else {}


def _has_room() -> bool:
    with suppress(OSError):
        found = os.statvfs(MEMORY)
        return found.f_bavail * found.f_frsize >= ROOM and not found.f_flag & os.ST_NOEXEC
    return False


def pytest_configure(config: pytest.Config) -> None:
    """Start to count."""
    config.pluginmanager.register(Lanes())
    if _has_room():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", MEMORY)
