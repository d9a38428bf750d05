"""The history of an object below ``/v1``: its revisions, what differs between two, and the way back."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

from tenantry.client.session import Request, Session
from tenantry.model.kinds import Address

Document = dict[str, Any]
_PAGE = 100


class History:
    """Revisions in, revisions out; all documents are as ``/openapi.json`` has them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def revisions(self, at: Address) -> AsyncIterator[Document]:
        """Every revision without its spec, newest first."""
        async for item in pages(self._session, f"{_path(at)}/revisions"):
            yield item

    async def revision(self, at: Address, number: int) -> Document:
        """One revision with its spec; NOT_FOUND when there is none."""
        found: Document = await self._session.send(Request(method="GET", path=f"{_path(at)}/revisions/{number}"))
        return found

    async def diff(self, at: Address, start: int, end: int | None = None) -> list[Document]:
        """What differs between two revisions, or one and the object as it is: path, before, after."""
        params = {"from": str(start)} | ({"to": str(end)} if end is not None else {})
        found = await self._session.send(Request(method="GET", path=f"{_path(at)}/diff", params=params))
        return list(found["changes"])

    async def rollback(self, at: Address, number: int, *, message: str = "") -> Document:
        """The object with the spec of a revision."""
        request = Request(
            method="POST",
            path=f"{_path(at)}/revisions/{number}:rollback",
            body={"message": message} if message else {},
            key=str(uuid.uuid4()),
        )
        found: Document = await self._session.send(request)
        return found


async def pages(session: Session, path: str, query: Mapping[str, str] | None = None) -> AsyncIterator[Document]:
    """Every item of a list below ``/v1``."""
    params = {"limit": str(_PAGE), **(query or {})}
    while True:
        page = await session.send(Request(method="GET", path=path, params=params))
        for item in page["items"]:
            yield item
        if not page.get("next"):
            return
        params["cursor"] = page["next"]


def _path(at: Address) -> str:
    namespace = f"/namespaces/{quote(at.namespace, safe='')}" if at.kind.namespaced else ""
    return f"/v1{namespace}/{at.kind.plural}/{quote(at.name, safe='')}"
