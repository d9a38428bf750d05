"""A long text searched a piece at a time: one call of the regular expression engine lets no other thread run."""

from __future__ import annotations

import re

#: characters of text that one call looks at
LENGTH = 1 << 15


def search(pattern: re.Pattern[str], text: str, longest: int) -> re.Match[str] | None:
    """What ``pattern.search(text)`` finds, if no match has more than ``longest`` characters."""
    for start in range(0, len(text), LENGTH):
        if found := pattern.search(text, start, start + LENGTH + longest - 1):
            return found
    return None
