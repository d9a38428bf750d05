"""The rate limits of a server, on a clock of the test's."""

import pytest

from tenantry.services.rate_limits import RateLimits


class Still:
    """A clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        """It."""
        return self.now


@pytest.fixture
def limits_clock(monkeypatch: pytest.MonkeyPatch) -> Still:
    """The time of the limits."""
    clock = Still()
    make = RateLimits.__init__

    def init(self: RateLimits, *args: object, **named: object) -> None:
        make(self, *args, **{**named, "monotonic": clock})  # type: ignore[arg-type]

    monkeypatch.setattr(RateLimits, "__init__", init)
    return clock
