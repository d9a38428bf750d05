"""What is done beside the request that asks for it, so that neither its answer nor its time tells what was found."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

from tenantry.model.errors import TenantryError

_MOST = 64

logger = logging.getLogger(__name__)


class Errands:
    """Runs errands, so many at once; one that is too many, or fails, is told to the log alone."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def run(self, what: str, errand: Coroutine[None, None, None]) -> None:
        """Begin with ``errand``; ``what`` it is, for the log."""
        if len(self._running) >= _MOST:
            errand.close()
            logger.warning("too many ask for it: %s is not done", what)
            return
        task = asyncio.create_task(_do(what, errand))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """Wait for what was begun."""
        await asyncio.gather(*self._running)


async def _do(what: str, errand: Coroutine[None, None, None]) -> None:
    try:
        await errand
    except TenantryError as error:
        logger.warning("%s is not done: %s", what, error.message)
