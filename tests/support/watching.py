"""Watching as a Kubernetes client does: list, follow from the list's version, resume after the last event seen."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

Event = dict[str, Any]


class OutOfOrderError(AssertionError):
    """An event that cannot follow from the state before it."""


def version_of(item: dict[str, Any]) -> int:
    """The resourceVersion of an object or a list."""
    return int(item["metadata"]["resourceVersion"])


async def list_all(
    http: aiohttp.ClientSession, path: str, *, limit: int = 0, selector: str = ""
) -> tuple[dict[str, int], int]:
    """The version of each object by name, and the version of the list; with ``limit``, read page by page."""
    wanted = {"labelSelector": selector} if selector else {}
    parameters = {**wanted, "limit": str(limit)} if limit else wanted
    items: dict[str, int] = {}
    while True:
        async with http.get(path, params=parameters) as answer:
            page = await answer.json()
            assert answer.status == 200, page
        items |= {item["metadata"]["name"]: version_of(item) for item in page["items"]}
        if not page["metadata"].get("continue"):
            return items, version_of(page)
        parameters = {**wanted, "limit": str(limit), "continue": page["metadata"]["continue"]}


@dataclass
class Follower:
    """A client's copy of a collection, kept by a watch; every event is checked against it.

    Args:
        path: of the collection.
        selector: a label selector.
        exact: whether the copy was of one moment. A list of several pages may be newer than its version, and then the
            first events tell what it shows already.
    """

    path: str
    selector: str = ""
    exact: bool = True
    state: dict[str, int] = field(default_factory=dict)
    version: int = 0
    seen: list[tuple[str, str, int]] = field(default_factory=list)  # type, name, version

    async def list(self, http: aiohttp.ClientSession, *, limit: int = 0) -> None:
        """Take the collection as it is."""
        self.state, self.version = await list_all(http, self.path, limit=limit, selector=self.selector)
        self.exact = not limit

    @asynccontextmanager
    async def watch(self, http: aiohttp.ClientSession) -> AsyncIterator[AsyncIterator[Event]]:
        """Events after the last one seen, each applied to the copy."""
        parameters = {"watch": "true", "resourceVersion": str(self.version)}
        if self.selector:
            parameters["labelSelector"] = self.selector
        async with http.get(self.path, params=parameters) as answer:
            yield self._events(answer)
            answer.close()

    async def _events(self, answer: aiohttp.ClientResponse) -> AsyncIterator[Event]:
        while line := await answer.content.readline():
            event = json.loads(line)
            self.apply(event)
            yield event

    def apply(self, event: Event) -> None:
        """Bring the copy up to date.

        Raises:
            OutOfOrderError: something was lost, repeated or turned round.
        """
        what, item = event["type"], event["object"]
        if what == "ERROR":
            raise OutOfOrderError(item)
        name, version = item["metadata"]["name"], version_of(item)
        known = self.state.get(name)
        if version <= self.version:
            raise OutOfOrderError(f"{what} {name} at {version} after {self.version}")
        if self.exact and (known is None) != (what == "ADDED"):
            raise OutOfOrderError(f"{what} {name} at {version}, which is known at {known}")
        self.version = version
        self.seen.append((what, name, version))
        if what == "DELETED":
            self.state.pop(name, None)
        else:
            self.state[name] = version
