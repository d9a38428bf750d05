"""Writes that are computed again when somebody else was faster."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenantry.model.errors import TenantryError

T = TypeVar("T")

#: how often a write without a precondition is computed when it loses races
ATTEMPTS = 8


async def retrying(attempt: Callable[[], Awaitable[T]]) -> T:
    """Run ``attempt`` again while it loses races, with growing jitter; the last lost race is the caller's."""
    for number in range(1, ATTEMPTS):
        try:
            return await attempt()
        except TenantryError as error:
            if not error.raced:
                raise
        await asyncio.sleep(random.uniform(0, 0.005 * number))  # noqa: S311 - jitter
    return await attempt()
