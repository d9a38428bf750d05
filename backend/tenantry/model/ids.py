"""Identifiers that the application makes itself: time-ordered, so that index pages fill in order."""

from __future__ import annotations

import secrets
import time
import uuid

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"  # the alphabet of Kubernetes' generated names: no vowels, no look-alikes
_MAX_BASE = 58


def uuid7() -> str:
    """A UUIDv7 (RFC 9562, section 5.7) as text."""
    value = (time.time_ns() // 1_000_000 << 80) | secrets.randbits(80)
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return str(uuid.UUID(int=value))


def first_uuid7(micros: int) -> str:
    """The least text that :func:`uuid7` can have given at that time."""
    return str(uuid.UUID(int=(max(micros, 0) // 1000 << 80) | (0x7 << 76)))


def generate_name(base: str) -> str:
    """``base`` and five random characters, as kube-apiserver makes a name from ``generateName``."""
    return base[:_MAX_BASE] + "".join(secrets.choice(_SUFFIX) for _ in range(5))


def now_micros() -> int:
    """Now, in epoch microseconds."""
    return time.time_ns() // 1000
