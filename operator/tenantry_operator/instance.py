"""Which database our records are in: asked for once, and remembered on the Lease, so that a restart forgets nothing.

Every record names it, and the API refuses one that is meant for another database: an empty one would say of every
tenant that it is gone. Whoever moves to another database on purpose removes the annotation.
"""

from __future__ import annotations

import asyncio
from typing import Any

from tenantry.client.records import Records
from tenantry_operator.election import NAME
from tenantry_operator.errors import ConflictError
from tenantry_operator.kube import LEASES, Kube

ANNOTATION = "tenantry.dev/instance"
#: seconds between two looks at the Lease while the API refuses what it says
RECALL = 5.0


class Instance:
    """The memory of it. The Lease is there without an election too."""

    def __init__(self, records: Records, kube: Kube, namespace: str) -> None:
        self._records = records
        self._kube = kube
        self._namespace = namespace
        self._known = ""
        self._until = 0.0  # when a doubt is worth another look
        self._lock = asyncio.Lock()

    async def get(self) -> str:
        """The identity of the database, that of the API when none is remembered.

        Raises:
            TenantryError: the API refused to tell or is away.
            KubeError: the Lease could not be read or written.
        """
        async with self._lock:
            if not self._known:
                self._known = await self._recall()
                self._until = _now() + RECALL
            return self._known

    def doubt(self) -> None:
        """The API has refused it: look whether somebody has removed the annotation."""
        if _now() >= self._until:
            self._known = ""

    async def _recall(self) -> str:
        answer = ""
        while True:
            lease = await self._kube.get(LEASES, NAME, self._namespace)
            annotations: dict[str, Any] = (lease or {}).get("metadata", {}).get("annotations") or {}
            if remembered := annotations.get(ANNOTATION):
                return str(remembered)
            answer = answer or await self._records.instance()
            try:
                await self._remember(lease, annotations | {ANNOTATION: answer})
            except ConflictError:
                continue  # it was renewed meanwhile
            return answer

    async def _remember(self, lease: dict[str, Any] | None, annotations: dict[str, Any]) -> None:
        if lease:
            await self._kube.update(LEASES, lease | {"metadata": lease["metadata"] | {"annotations": annotations}})
        else:
            metadata = {"name": NAME, "namespace": self._namespace, "annotations": annotations}
            await self._kube.create(LEASES, {"metadata": metadata, "spec": {}}, self._namespace)


def _now() -> float:
    return asyncio.get_running_loop().time()
