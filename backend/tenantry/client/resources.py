"""The API at its Kubernetes paths: get, list, create, apply, delete and watch a Plan, Tenant or Config."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import orjson

from tenantry.client.errors import read_status
from tenantry.client.session import APPLY, JSON, Request, Session
from tenantry.model.errors import Code, TenantryError
from tenantry.model.kinds import Address, Kind
from tenantry.model.resource import API_VERSION, Verb

Document = dict[str, Any]
PAGE = 500
_TABLE = f"application/json;as=Table;v=v1;g=meta.k8s.io,{JSON}"
#: seconds after which the server ends a watch, and the silence that is taken for a dead connection
_WATCH_SECONDS, _SILENCE = 290, 300
_LONGEST_PAUSE = 10.0


@dataclass(frozen=True, slots=True)
class Query:
    """Which objects of one kind; with no ``namespace`` those of all."""

    kind: Kind
    namespace: str = ""
    labels: str = ""  # label selector
    fields: str = ""  # field selector

    def request(self, **params: str) -> Request:
        """The GET of this collection."""
        selectors = {"labelSelector": self.labels, "fieldSelector": self.fields}
        params |= {key: value for key, value in selectors.items() if value}
        return Request(method="GET", path=path_of(Address(self.kind, self.namespace)), params=params)


@dataclass(frozen=True, slots=True)
class Event:
    """One change: what happened, and the object as it was then."""

    verb: Verb
    object: Document


@dataclass(frozen=True, slots=True)
class Table:
    """Objects as the server would have them shown.

    ``columns`` are the server's definitions (name, type, priority...); each row has ``cells`` and the ``object``'s
    metadata.
    """

    columns: list[Document]
    rows: list[Document]


class Resources:
    """Documents in, documents out; ``manager`` is the field manager of every write. Unknown fields are refused."""

    def __init__(self, session: Session, manager: str) -> None:
        self._session = session
        self._manager = manager

    async def get(self, at: Address) -> Document:
        """The object; NOT_FOUND when there is none."""
        return await self._send("GET", at)

    async def list(self, query: Query) -> tuple[list[Document], str]:
        """All objects, read page by page, and the resourceVersion from which a watch goes on."""
        items: list[Document] = []
        version = ""
        async for page in self._pages(query, JSON):
            items += page["items"]
            version = page["metadata"]["resourceVersion"]
        return items, version

    async def each(self, query: Query) -> AsyncIterator[Document]:
        """All objects one after the other, with a page of them in memory."""
        async for page in self._pages(query, JSON):
            for item in page["items"]:
                yield item

    async def table(self, query: Query) -> Table:
        """All objects as a table."""
        table = Table([], [])
        async for page in self._pages(query, _TABLE):
            table = Table(page["columnDefinitions"], table.rows + page["rows"])
        return table

    async def row(self, at: Address) -> Table:
        """One object as a table; NOT_FOUND when there is none."""
        found = await self._session.send(Request(method="GET", path=path_of(at), accept=_TABLE))
        return Table(found["columnDefinitions"], found["rows"])

    async def create(self, at: Address, document: Document, *, dry_run: bool = False) -> Document:
        """The object as it was created; ALREADY_EXISTS when the name is taken."""
        return await self._send("POST", Address(at.kind, at.namespace), self._writing(dry_run=dry_run), document)

    async def apply(self, at: Address, document: Document, *, force: bool = False, dry_run: bool = False) -> Document:
        """The object after a server-side apply of ``document``.

        Raises:
            TenantryError: ``CONFLICT`` with the fields of other managers, unless ``force`` takes them over.
        """
        params = self._writing(dry_run=dry_run) | {"force": "true" if force else "false"}
        return await self._send("PATCH", at, params, document, APPLY)

    async def delete(self, at: Address, *, uid: str = "") -> Document | None:
        """Delete the object; with ``uid`` only that one, CONFLICT when it is another by now.

        Returns:
            None when it is gone, the object when finalizers hold it.
        """
        found = await self._send("DELETE", at, body={"preconditions": {"uid": uid}} if uid else None)
        return None if found["kind"] == "Status" else found

    async def watch(self, query: Query, since: str) -> AsyncIterator[Event]:
        """Every change after the resourceVersion ``since``, across lost connections, without end.

        Raises:
            TenantryError: ``EXPIRED`` when the log no longer reaches back that far: list again.
        """
        failures = 0
        while True:
            request = query.request(
                watch="true", allowWatchBookmarks="true", resourceVersion=since, timeoutSeconds=str(_WATCH_SECONDS)
            )
            try:
                async with self._session.stream(request, silence=_SILENCE) as lines:
                    async for line in lines:
                        failures = 0
                        event = orjson.loads(line)
                        if event["type"] == "ERROR":
                            raise read_status(event["object"])
                        since = event["object"]["metadata"]["resourceVersion"]
                        if event["type"] != "BOOKMARK":
                            yield Event(Verb(event["type"]), event["object"])
            except TenantryError as error:
                if error.code not in (Code.UNAVAILABLE, Code.TIMEOUT, Code.TOO_MANY_REQUESTS):
                    raise
            failures += 1
            await asyncio.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.1 * 2**failures)))  # noqa: S311 - spread

    def _writing(self, *, dry_run: bool) -> dict[str, str]:
        params = {"fieldManager": self._manager, "fieldValidation": "Strict"}
        return params | ({"dryRun": "All"} if dry_run else {})

    async def _pages(self, query: Query, accept: str) -> AsyncIterator[Document]:
        following: dict[str, str] = {}
        while True:
            page = await self._session.send(replace(query.request(limit=str(PAGE), **following), accept=accept))
            yield page
            if not page["metadata"].get("continue"):
                return
            following = {"continue": page["metadata"]["continue"]}

    async def _send(
        self,
        method: str,
        at: Address,
        params: dict[str, str] | None = None,
        body: Document | None = None,
        content_type: str = "application/json",
    ) -> Document:
        request = Request(method=method, path=path_of(at), params=params, body=body, content_type=content_type)
        answer: Document = await self._session.send(request)
        return answer


def path_of(at: Address) -> str:
    """The Kubernetes path of an object or, without a name, of a collection."""
    parts = ["namespaces", at.namespace] if at.namespace else []
    parts += [part for part in (at.kind.plural, at.name, at.subresource) if part]
    return "/".join([f"/apis/{API_VERSION}", *(quote(part, safe="") for part in parts)])
