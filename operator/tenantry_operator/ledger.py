"""What the API was told and what it answered, so that it is told nothing twice.

The memory is a cache: it starts empty, goes stale by itself, and nothing is decided by what is not in it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from tenantry.client.records import Record, Records
from tenantry.model.errors import Code, TenantryError
from tenantry.model.kinds import BY_NAME, Address
from tenantry_operator.instance import Instance
from tenantry_operator.kube import Kube
from tenantry_operator.objects import Key, Object

Document = dict[str, Any]
#: seconds after which the API is asked again, and the same while a condition is False: others may have cured it
FRESH, FRESH_WHILE_WRONG = 600.0, 30.0


@dataclass(frozen=True, slots=True)
class _Known:
    stamp: tuple[str, str, int, str, bytes]  # instance, uid, generation, tenant, labels and annotations
    record: Record
    until: float


class Ledger:
    """The records of one cluster, as this process knows them."""

    def __init__(self, records: Records, instance: Instance, kube: Kube) -> None:
        self._records = records
        self._instance = instance
        self._kube = kube
        self._known: dict[Key, _Known] = {}
        self._reported: dict[Key, bytes] = {}
        self._locks: defaultdict[Key, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._asked: dict[Key, object] = {}  # one for each question whose answer may still be remembered

    async def sync(self, obj: Object) -> Record:
        """The API's record of an object, brought up to it unless that was done already.

        Raises:
            TenantryError: the API refused or is away.
            KubeError: whether the object is still there could not be seen.
        """
        key = obj.key
        marks = orjson.dumps([obj.metadata.get("labels"), obj.metadata.get("annotations")])
        async with self._locks[key], self._meant() as instance:
            stamp = (instance, obj.uid, obj.generation, obj.tenant, marks)
            known = self._known.get(key)
            if known and known.stamp == stamp and _now() < known.until:
                return known.record
            question = self._asked[key] = object()
            record = await self._put(obj, instance)
            if record.uid != obj.uid:
                record = await self._take_over(obj, record.uid, instance)
            is_well = all(condition["status"] == "True" for condition in record.conditions)
            if self._asked.pop(key, None) is question:
                self._known[key] = _Known(stamp, record, _now() + (FRESH if is_well else FRESH_WHILE_WRONG))
            return record

    def known(self, key: Key) -> Record | None:
        """The last answer for an object."""
        found = self._known.get(key)
        return found.record if found else None

    def expire(self, key: Key) -> None:
        """Ask the API again at the next :meth:`sync`: something else has changed that this object depends on."""
        self._known.pop(key, None)
        self._asked.pop(key, None)  # the answer that is on its way is of before

    async def report(self, obj: Object, status: Document) -> None:
        """Tell the API the status of an object, unless it was told."""
        async with self._meant() as instance:
            said = orjson.dumps([instance, obj.uid, status])
            if self._reported.get(obj.key) != said:
                await self._records.put_status(
                    _address(obj.key), instance=instance, uid=obj.uid, generation=obj.generation, status=status
                )
                self._reported[obj.key] = said

    async def withdraw(self, obj: Object) -> None:
        """Tell the API that an object is being deleted; its record is gone then, or never was."""
        try:
            await self._delete(obj)
        except TenantryError as error:
            if error.code is not Code.CONFLICT:
                raise
            await self.sync(obj)  # the record is of an object of before, which this one has to take over first
            await self._delete(obj)
        self.forget(obj.key)

    async def orphan(self, obj: Object) -> None:
        """Tell the API that an object goes only because its namespace or its kind does: its record stays."""
        await self._delete(obj, orphan=True)
        self.forget(obj.key)

    async def _delete(self, obj: Object, *, orphan: bool = False) -> None:
        async with self._locks[obj.key], self._meant() as instance:
            await self._records.delete(_address(obj.key), instance=instance, uid=obj.uid, orphan=orphan)

    async def _put(self, obj: Object, instance: str, replaces: str = "") -> Record:
        where = _address(obj.key)
        return await self._records.put(where, obj.document, instance=instance, replaces=replaces, tenant=obj.tenant)

    async def _take_over(self, obj: Object, old: str, instance: str) -> Record:
        """The record, once it is of ``obj`` and no longer of ``old``, if ``obj`` is what the cluster has now."""
        live = await self._kube.get(obj.resource, obj.key.name, obj.key.namespace)
        if live is None or live["metadata"]["uid"] != obj.uid:
            raise TenantryError(Code.CONFLICT, f"{obj.uid} is not there any more")
        record = await self._put(obj, instance, replaces=old)
        if record.uid != obj.uid:
            raise TenantryError(Code.CONFLICT, f"the record is of the object {record.uid}, and was of {old}")
        return record

    def forget(self, key: Key) -> None:
        """The object is no more."""
        self.expire(key)
        self._reported.pop(key, None)
        self._locks.pop(key, None)

    @asynccontextmanager
    async def _meant(self) -> AsyncIterator[str]:
        """The database that a message inside is meant for."""
        try:
            yield await self._instance.get()
        except TenantryError as error:
            if error.code is Code.WRONG_INSTANCE:
                self._instance.doubt()
            raise


def _address(key: Key) -> Address:
    return Address(BY_NAME[key.kind], key.namespace, key.name)


def _now() -> float:
    return asyncio.get_running_loop().time()
