"""How often somebody may ask."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests: so many a second in the long run, and so many at once."""

    per_second: int
    burst: int

    @classmethod
    def of(cls, per_second: int) -> Rate:
        """What may be used up in ten seconds of silence may come at once."""
        return cls(per_second, 10 * per_second)
