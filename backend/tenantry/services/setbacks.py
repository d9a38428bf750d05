"""What loops that must never end do about their failures."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn

from tenantry.model.errors import TenantryError

_FIRST, _LONGEST = 0.25, 2.0  # seconds


class Setbacks:
    """The failures of one loop in a row: each is logged when it is another than the last, and pauses grow.

    Args:
        logger: of the loop.
        what: what fails, the beginning of a sentence such as "the change log cannot be read".
        plain: errors whose sentence says it all; of others the log gets the traceback.
    """

    def __init__(
        self, logger: logging.Logger, what: str, plain: tuple[type[Exception], ...] = (TenantryError,)
    ) -> None:
        self._logger, self._what, self._plain = logger, what, plain
        self._said = ""
        self._pause = _FIRST

    async def repeat(self, look: Callable[[], Awaitable[None]], pause: float) -> NoReturn:
        """Call ``look`` until cancelled, ``pause`` seconds after each time, whatever goes wrong in it."""
        while True:
            try:
                await look()
            except Exception as error:  # noqa: BLE001 - whatever the database says, it may be well again
                await self.wait(error)
            else:
                self.clear()
            await asyncio.sleep(pause)

    async def wait(self, error: Exception) -> None:
        """Log ``error`` and wait until it is time to try again."""
        if str(error) != self._said:
            self._said = str(error)
            trace = None if isinstance(error, self._plain) else error
            self._logger.warning("%s: %s", self._what, error, exc_info=trace)
        pause, self._pause = self._pause, min(2 * self._pause, _LONGEST)
        await asyncio.sleep(pause)

    def clear(self) -> None:
        """Forget them, for it works again."""
        self._said, self._pause = "", _FIRST
