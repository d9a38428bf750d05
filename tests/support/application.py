"""The application API for tests: a client of a running server that says what was answered."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tenantry.model import ids
from tenantry.model.credentials import new_token
from tenantry.model.identity import ApiKey
from tenantry.storage import keys
from tests.support.server import ServerInProcess, running_server

KUBERNETES = "/apis/tenantry.dev/v1alpha1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer, its JSON body parsed."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def etag(self) -> str:
        """Its entity tag as it stands in the header."""
        return self.headers["ETag"]

    @property
    def code(self) -> str:
        """The error code of a problem document."""
        assert self.headers["Content-Type"].startswith("application/problem+json"), self.body
        assert self.body["status"] == self.status
        return str(self.body["code"])


@dataclass(frozen=True, slots=True)
class Client:
    """A caller of the application API."""

    session: aiohttp.ClientSession

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request; `if_match="x"` is the header If-Match."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, path, json=body, headers=named) as answer:
            text = await answer.read()
            is_json = "json" in answer.headers.get("Content-Type", "")
            return Answer(status=answer.status, headers=answer.headers, body=await answer.json() if is_json else text)

    async def get(self, path: str, **headers: str) -> Answer:
        """GET."""
        return await self.call("GET", path, **headers)

    async def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        """POST."""
        return await self.call("POST", path, body, **headers)

    async def pages(self, path: str) -> AsyncIterator[list[Any]]:
        """The items of each page of a list, one after the other."""
        separator, cursor = "&" if "?" in path else "?", ""
        while True:
            page = await self.get(path + (f"{separator}cursor={cursor}" if cursor else ""))
            assert page.status == 200, page.body
            yield page.body["items"]
            cursor = page.body.get("next", "")
            if not cursor:
                return

    async def items(self, path: str) -> list[Any]:
        """All items of a list."""
        return [item async for page in self.pages(path) for item in page]

    async def create(self, plural: str, name: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
        """A new object, made at its Kubernetes path."""
        kind = plural.removesuffix("s").capitalize()
        namespace = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
        document = {"apiVersion": "tenantry.dev/v1alpha1", "kind": kind, "metadata": {"name": name, **metadata}}
        made = await self.post(f"{KUBERNETES}{namespace}/{plural}", document | {"spec": spec})
        assert made.status == 201, made.body
        return dict(made.body)

    async def patch(self, path: str, change: dict[str, Any]) -> dict[str, Any]:
        """Merge `change` into the object at a Kubernetes path below the group."""
        headers = {"Content-Type": "application/merge-patch+json"}
        done = await self.call("PATCH", f"{KUBERNETES}/{path}", change, **headers)
        assert done.status == 200, done.body
        return dict(done.body)

    async def delete(self, path: str) -> None:
        """Delete the object at a Kubernetes path below the group."""
        done = await self.call("DELETE", f"{KUBERNETES}/{path}")
        assert done.status == 200, done.body

    async def plan(self, name: str = "free") -> dict[str, Any]:
        """A new Plan; `free` is that of sign-up."""
        return await self.create("plans", name, {"displayName": "One"})

    async def tenant(self, name: str, display_name: str = "One", **spec: Any) -> dict[str, Any]:
        """A new Tenant on the plan `pro`, which need not exist."""
        return await self.create("tenants", name, {"displayName": display_name, "planRef": {"name": "pro"}, **spec})


@dataclass(frozen=True, slots=True)
class Application(Client):
    """A caller of the application API of a server in this process."""

    server: ServerInProcess

    @asynccontextmanager
    async def as_key(self, *scopes: str, **columns: Any) -> "AsyncIterator[Application]":
        """The same API for the bearer of a new key with these columns."""
        token, identifier, secret_sha = new_token()
        now = ids.now_micros()
        columns = {"owner": "", "created_at": now, **columns}
        key = ApiKey(id=identifier, name="test", secret_sha=secret_sha, scopes=scopes, **columns)
        await self.server.services.db.run(keys.insert, key, write=True)
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(self.server.base_url, headers=headers) as session:
            yield Application(session, self.server)


@pytest.fixture
async def v1(server: ServerInProcess) -> AsyncIterator[Application]:
    """The application API on SQLite, for its local administrator."""
    async with server.session() as session:
        yield Application(session, server)


@pytest.fixture
async def stored_v1(tmp_path: Path, database_url: str) -> AsyncIterator[Application]:
    """The same on each database."""
    async with running_server(tmp_path, database_url=database_url) as server, server.session() as session:
        yield Application(session, server)
