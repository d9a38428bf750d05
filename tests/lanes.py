"""How long each lane of a test run took, printed at the end of `make test`.

A test is in the lane of the first marker of `LANES` that it has. What the lane's servers need to start counts for the
test that asked first; what is built or installed once stands in a line of its own.

How long a whole run took is kept for `make bench-shipping`: as a cold one when something had to be built or installed.
"""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Generator

import pytest

from tests.worktree import ROOT

#: kind of run -> seconds of the last one that was whole
RUNS = ROOT / ".tenantry" / "test-runs.json"
#: seconds of preparation from which on a run was cold
COLD = 60.0
LANES = ("node", "image", "cluster", "browser", "database", "slow")


class Lanes:
    """Adds up seconds and tests by lane."""

    def __init__(self) -> None:
        self.lane_of: dict[str, str] = {}
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.tests: Counter[str] = Counter()
        self.begun = time.monotonic()

    @pytest.hookimpl(wrapper=True)
    def pytest_collection_finish(self, session: pytest.Session) -> Generator[None]:
        """Put the tests into their lanes, and time what is prepared for them."""
        for item in session.items:
            self.lane_of[item.nodeid] = next(filter(item.get_closest_marker, LANES), "unit")
        self.tests.update(self.lane_of.values())
        start = time.monotonic()
        yield
        self.seconds["preparation"] = time.monotonic() - start

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test's set-up, call or tear-down."""
        self.seconds[self.lane_of[report.nodeid]] += report.duration

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the lanes, the longest first."""
        terminalreporter.section("lanes")
        for lane, seconds in sorted(self.seconds.items(), key=lambda each: -each[1]):
            tests = f"  {self.tests[lane]} tests" if self.tests[lane] else ""
            terminalreporter.line(f"{lane:12} {seconds:7.1f} s{tests}")
        options = terminalreporter.config.option
        if not (options.markexpr or options.keyword or options.file_or_dir or options.collectonly):
            kind = "cold" if self.seconds["preparation"] > COLD else "warm"
            RUNS.parent.mkdir(exist_ok=True, mode=0o700)
            RUNS.write_text(json.dumps(runs() | {kind: round(time.monotonic() - self.begun, 1)}))


def runs() -> dict[str, float]:
    """What is kept of whole runs."""
    return json.loads(RUNS.read_text()) if RUNS.exists() else {}


def pytest_configure(config: pytest.Config) -> None:
    """Start to count."""
    config.pluginmanager.register(Lanes())
