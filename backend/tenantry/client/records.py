"""What a cluster's operator says to the API: here is an object of mine, this is its status, it is gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tenantry.client.session import Request, Session
from tenantry.model.errors import Code, TenantryError
from tenantry.model.kinds import Address

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the API made of an object.

    ``uid`` is that of the object which the record is of: another one, while the API does not know that it is gone.
    ``conditions`` are those that the API can tell (type, status, reason, message); ``plan`` is the one in effect
    (name, revision), None when there is none; ``hostnames`` are those of a Tenant (host, state), ``tenants`` how many
    are on a Plan.
    """

    uid: str = ""
    tenant_id: str = ""
    revision: int = 0
    seq: int = 0
    changed: bool = False
    conditions: tuple[Document, ...] = ()
    hostnames: tuple[Document, ...] = ()
    plan: Document | None = None
    tenants: int = 0


class Records:
    """The records of one cluster's objects.

    Each message names the ``instance``, the database in which the record is to be: any other refuses it.
    """

    def __init__(self, session: Session, cluster: str) -> None:
        self._session = session
        self._root = f"/v1/clusters/{quote(cluster, safe='')}"

    async def instance(self) -> str:
        """The identity of the API's database."""
        answer = await self._session.send(Request(method="GET", path=self._root))
        return str(answer["instance"])

    async def put(
        self, at: Address, document: Document, *, instance: str, replaces: str = "", tenant: str = ""
    ) -> Record:
        """Bring the record up to the object: a new one, a new revision, or nothing at all.

        Args:
            at: the object.
            document: it, as the cluster has it.
            instance: the database.
            replaces: UID of the object that the record is of, and which is no longer there.
            tenant: name of the tenant whose namespace a Config lives in, empty for nobody's.
        """
        metadata = document["metadata"]
        answer = await self._send(
            "PUT",
            at,
            body={
                "instance": instance,
                "uid": metadata["uid"],
                "generation": metadata["generation"],
                "labels": metadata.get("labels") or {},
                "annotations": metadata.get("annotations") or {},
                "spec": document["spec"],
                "replaces": replaces,
                "tenant": tenant,
                "tenantID": (document.get("status") or {}).get("tenantID", ""),
            },
        )
        return Record(
            uid=answer["uid"],
            tenant_id=answer.get("tenantID") or "",
            revision=answer.get("revision") or 0,
            seq=answer.get("seq") or 0,
            changed=bool(answer.get("changed")),
            conditions=tuple(answer.get("conditions") or ()),
            hostnames=tuple(answer.get("hostnames") or ()),
            plan=answer.get("plan"),
            tenants=answer.get("tenants") or 0,
        )

    async def put_status(self, at: Address, *, instance: str, uid: str, generation: int, status: Document) -> bool:
        """Report the object's status; False when it was known, or is of an older generation than the known one."""
        body = {"instance": instance, "uid": uid, "generation": generation, "status": status}
        answer = await self._send("PUT", at, "/status", body=body)
        return bool(answer["changed"])

    async def delete(self, at: Address, *, instance: str, uid: str, orphan: bool = False) -> bool:
        """Report that the object is being deleted; False when there is no record of it.

        Args:
            at: the object.
            instance: the database.
            uid: the object's UID.
            orphan: it goes only because its namespace or its kind does, and its record stays.
        """
        params = {"instance": instance, "uid": uid} | ({"orphan": "true"} if orphan else {})
        try:
            await self._send("DELETE", at, params=params)
        except TenantryError as error:
            if error.code is Code.NOT_FOUND:
                return False
            raise
        return True

    async def _send(
        self, method: str, at: Address, suffix: str = "", *, body: Any = None, params: Mapping[str, str] | None = None
    ) -> Any:
        namespace = f"/namespaces/{at.namespace}" if at.kind.namespaced else ""
        path = f"{self._root}{namespace}/{at.kind.plural}/{at.name}{suffix}"
        return await self._session.send(Request(method=method, path=path, params=params, body=body))
