"""The event loop that the server and the operator run on: uvloop's where it is installed, the extra ``fast``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


def runner() -> asyncio.Runner:
    """What runs a process' main coroutine."""
    return asyncio.Runner(loop_factory=_loop_factory())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - an optional extra
    except ImportError:
        return None
    return uvloop.new_event_loop
