"""Writes that are computed again when somebody else was faster."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenantry.model.errors import Code, TenantryError

T = TypeVar("T")

#: how often a write without a precondition is computed when it loses races
ATTEMPTS = 8
#: and how often one that every order of writes permits, so that it cannot conflict in the eyes of its caller
PERSISTENT = 100
_LONGEST = 0.04  # seconds between two


async def retrying(attempt: Callable[[], Awaitable[T]], attempts: int = ATTEMPTS, final: Code | None = None) -> T:
    """Run ``attempt`` again while it loses races, with growing jitter; the last lost race is the caller's.

    One lost with the code ``final`` is lost for good: trying again would end in the same way.
    """
    for number in range(1, attempts):
        try:
            return await attempt()
        except TenantryError as error:
            if not error.raced or error.code is final:
                raise
        await asyncio.sleep(random.uniform(0, min(0.005 * number, _LONGEST)))  # noqa: S311 - jitter
    return await attempt()
