"""What ``/v1`` says of tenants alone: why one is as it is, and which deleted ones can come back."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

from tenantry.client.history import pages
from tenantry.client.session import Request, Session
from tenantry.model.errors import Code, TenantryError
from tenantry.model.resource import API

Document = dict[str, Any]


class Tenants:
    """All documents are as ``/openapi.json`` has them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def explain(self, name: str) -> Document:
        """Why a tenant is ready or not, what applies to it, and what to do next."""
        path = f"/v1/tenants/{quote(name, safe='')}/explain"
        found: Document = await self._session.send(Request(method="GET", path=path))
        return found

    async def tombstones(self) -> AsyncIterator[Document]:
        """What deleted tenants left, by name."""
        async for item in pages(self._session, "/v1/tombstones"):
            yield item

    async def can_come_back(self, name: str) -> bool:
        """Whether a deleted tenant of that name can be brought back here: it is no cluster's, and was not purged."""
        path = f"/v1/tombstones/{quote(name, safe='')}"
        try:
            found = await self._session.send(Request(method="GET", path=path))
        except TenantryError as error:
            if error.code in {Code.NOT_FOUND, Code.FORBIDDEN}:
                return False
            raise
        return found["managedBy"] == API and "purgeAt" in found

    async def undelete(self, name: str) -> Document:
        """The tenant, brought back as it was last; NOT_FOUND when none of that name was deleted."""
        path = f"/v1/tombstones/{quote(name, safe='')}:undelete"
        found: Document = await self._session.send(Request(method="POST", path=path, body={}, key=str(uuid.uuid4())))
        return found
