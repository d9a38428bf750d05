"""Living resources by name: what is asked for in one turn of the event loop is read at once.

A read of one row costs its thread and its driver more than the row does, so the busier the loop, the less each costs.
A lone request waits for nobody. What is read was asked for before, so that whoever wrote reads its own write.
"""

from __future__ import annotations

import asyncio

from tenantry.model.resource import Key, Resource
from tenantry.storage import resources
from tenantry.storage.db import Database


class Lookup:
    """Finds resources in one database."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._asked: dict[Key, asyncio.Future[Resource | None]] = {}
        self._reading: set[asyncio.Task[None]] = set()

    async def find(self, kind: str, namespace: str, name: str) -> Resource | None:
        """The living resource of that name, if there is one.

        Raises:
            TenantryError: ``UNAVAILABLE``.
        """
        key = (kind, namespace, name)
        if not (namespace.isascii() and name.isascii()):
            return None  # no name has anything else, and a driver may refuse to send it
        if not self._asked:
            asyncio.get_running_loop().call_soon(self._begin)
        answer = self._asked.get(key)
        if answer is None:
            answer = self._asked[key] = asyncio.get_running_loop().create_future()
        return await asyncio.shield(answer)  # one that asks may go away, the others still wait

    def _begin(self) -> None:
        asked, self._asked = self._asked, {}
        reading = asyncio.create_task(self._read(asked))
        self._reading.add(reading)
        reading.add_done_callback(self._reading.discard)

    async def _read(self, asked: dict[Key, asyncio.Future[Resource | None]]) -> None:
        try:
            found = await self._db.run(resources.find, tuple(asked))
        except Exception as error:  # noqa: BLE001 - it belongs to those who asked
            for answer in asked.values():
                answer.set_exception(error)
        else:
            for key, answer in asked.items():
                answer.set_result(found.get(key))
