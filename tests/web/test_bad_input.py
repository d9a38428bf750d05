"""Bad input: whatever is sent, a Status with the right code that says where and what to do; and nothing is written."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from tenantry.model import ids
from tenantry.model.resource import Resource, Tombstone, Verb
from tenantry.storage import changes, resources, tombstones
from tenantry.storage.changes import PendingChange
from tenantry.storage.unit import Unit
from tests.support.server import ServerInProcess, running_server
from tests.web.bad_rows import (
    APPLY,
    CONFIGS,
    JSON,
    JSON_PATCH,
    MERGE,
    PLANS,
    ROWS,
    TENANTS,
    Object,
    Row,
    config,
    plan,
    tenant,
)

ROOT = "/apis/tenantry.dev/v1alpha1"
SECONDS = 20


@asynccontextmanager
async def inhabited(folder: Path) -> AsyncIterator[ServerInProcess]:
    """A server with something of everything that input can clash with."""
    async with running_server(folder) as server, server.session() as http:
        for path, body in (
            (PLANS, plan("pro")),
            (PLANS, plan("free")),
            (TENANTS, tenant("acme")),
            (CONFIGS, config("web", {"seats": 5})),
        ):
            async with http.post(f"{ROOT}/{path}", json=body) as answer:
                assert answer.status == 201, await answer.text()
        await server.services.db.run(add_what_a_cluster_has, write=True)
        yield server


def add_what_a_cluster_has(unit: Unit) -> None:
    spec = json.dumps(tenant("theirs")["spec"])
    common = {"kind": "Tenant", "managed_by": "prod", "tenant_id": ids.uuid7(), "created_at": 1, "updated_at": 1}
    theirs = Resource(name="theirs", namespace="", uid=ids.uuid7(), spec=spec, **common)  # type: ignore[arg-type]
    buried = Tombstone(
        slug="buried", tenant_id=ids.uuid7(), managed_by="prod", last_doc="{}", deleted_at=1, purge_at=2**60
    )
    tombstones.put(unit, buried)
    resources.insert(unit, theirs, {})
    changes.commit(unit, [PendingChange(resource=theirs, verb=Verb.ADDED, prev_labels={}, at=1)])


async def everything(http: aiohttp.ClientSession) -> list[str]:
    """All objects, with the version of everything."""
    found = []
    for kind in ("plans", "tenants", "configs"):
        async with http.get(f"{ROOT}/{kind}") as answer:
            assert answer.status == 200
            found.append(await answer.text())
    return found


async def written(http: aiohttp.ClientSession) -> list[Object]:
    """All objects without what the server writes by itself."""
    items = [item for text in await everything(http) for item in json.loads(text)["items"]]
    for item in items:
        item.pop("status", None)
        del item["metadata"]["resourceVersion"]
    return items


async def settled(http: aiohttp.ClientSession) -> list[str]:
    """As `everything`, once the worker has nothing left to do: the plan's tenants are counted."""
    async with asyncio.timeout(SECONDS):
        while True:
            found = await everything(http)
            counts = {item["metadata"]["name"]: item["status"]["tenants"] for item in json.loads(found[0])["items"]}
            if counts["pro"] == 1:
                return found


async def send(http: aiohttp.ClientSession, row: Row) -> tuple[int, Object]:
    data = row.body if isinstance(row.body, bytes) else None if row.body is None else json.dumps(row.body).encode()
    path = row.path
    if row.media == APPLY and "fieldManager" not in path:
        path += "?fieldManager=test"
    url = URL(f"{ROOT}/{path}", encoded=True)
    headers = {"Content-Type": row.media} if data is not None else {}
    async with http.request(row.method, url, data=data and io.BytesIO(data), headers=headers) as answer:
        text = await answer.text()
        assert answer.content_type == JSON, text
        return answer.status, json.loads(text)


@pytest.mark.slow
async def test_everything_wrong_is_told_with_its_place_and_changes_nothing(tmp_path: Path) -> None:
    wrong: list[tuple[str, int, object]] = []
    async with inhabited(tmp_path) as server, server.session() as http:
        before = await settled(http)
        for row in ROWS:
            code, status = await send(http, row)
            told = tuple(sorted({cause.get("field", "") for cause in status.get("details", {}).get("causes", ())}))
            fits = (
                (status.get("kind"), status.get("status"), status.get("code")) == ("Status", "Failure", row.code)
                and (code, status.get("reason")) == (row.code, row.reason)
                and row.says in status["message"]
                and (not row.fields or told == row.fields)
            )
            if not fits:
                wrong.append((row.title, code, status))
            if await everything(http) != before:
                wrong.append((row.title, code, "it wrote"))
                before = await everything(http)
    assert not wrong, "\n".join(f"{title}: {code} {status}" for title, code, status in wrong)


async def test_names_of_unknown_fields_fit_into_headers(tmp_path: Path) -> None:
    spec = {f"a\r\nb{number}": "\n" for number in range(2000)}
    async with inhabited(tmp_path) as server, server.session() as http:
        url, headers = f"{ROOT}/{PLANS}/pro", {"Content-Type": MERGE}
        async with http.patch(url, json={"spec": {"a\nb": 1}}, headers=headers) as answer:
            assert answer.headers.getall("Warning") == ['299 - "unknown field \\"spec.a\\\\nb\\""']
        async with http.patch(url, json={"spec": spec}, headers=headers) as answer:
            assert answer.status == 200
            assert len(answer.headers.getall("Warning")) == 64


# -- anything ---------------------------------------------------------------------------------------------------------

#: texts that some layer might stumble over: half characters, zero bytes, what looks like something else
TEXTS = st.sampled_from(
    ["", "\ud800", "a\x00b", "\u2028", "e\u0301", "x" * 300, "on", "1e3", "../..", "%2e", "'; --", "{}"]
)
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text() | TEXTS
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | TEXTS, inner, max_size=3),
    max_leaves=8,
)
FULL = {
    PLANS: plan(
        "new", labels={"a": "b"}, annotations={"a": "b"}, finalizers=["example.com/a"], resourceVersion="1", uid="x"
    )
    | {"spec": {"displayName": "x", "quota": {"hard": {"pods": "1"}}, "features": ["sso"], "maxMembers": 5}},
    TENANTS: tenant(
        "new", ownerReferences=[{"apiVersion": "v1", "kind": "A", "name": "a", "uid": "u"}], generateName="a-"
    )
    | {
        "spec": {
            "displayName": "x",
            "planRef": {"name": "pro"},
            "access": [{"role": "Owner", "subjects": [{"kind": "Group", "name": "a"}]}],
            "namespaces": [{"name": "prod", "share": 70, "labels": {"a": "b"}}],
            "hostnames": ["www.example.com"],
            "purgeAfter": "720h",
        },
        "status": {"conditions": []},
    },
    CONFIGS: config("new", {"seats": 5}, managedFields=[{"manager": "x", "operation": "Update"}])
    | {
        "spec": {
            "configSet": "web",
            "scope": {"global": {}},
            "keys": {"seats": {"merge": "min"}},
            "values": {"seats": 5},
            "flags": {"a": {"type": "string", "variants": {"x": "y"}, "targeting": {"if": [True, "x"]}}},
        }
    },
}


def places(tree: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything in a tree."""
    if at:
        yield at
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from places(value, (*at, key))


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, Object]:
    """A collection, and a good document of its kind in which up to three places hold anything."""
    collection = draw(st.sampled_from(sorted(FULL)))
    changed: Object = json.loads(json.dumps(FULL[collection]))
    for _ in range(draw(st.integers(0, 3))):
        *path, last = draw(st.sampled_from(list(places(changed))))
        holder: Any = changed
        for step in path:
            holder = holder[step]
        if draw(st.booleans()):
            holder[last] = draw(TREES)
        elif isinstance(holder, dict):
            holder[draw(st.text() | TEXTS)] = holder.pop(last)
        if not changed:
            break
    return collection, changed


POINTERS = (
    st.sampled_from(["/".join(["", *map(str, path)]) for full in FULL.values() for path in places(full)]) | st.text()
)
OPERATIONS = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", ""]) | TREES, "path": POINTERS | TREES},
    optional={"value": TREES, "from": POINTERS},
)
HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=50)
PARAMETERS = st.dictionaries(
    st.sampled_from([
        "limit", "continue", "resourceVersion", "resourceVersionMatch", "labelSelector", "fieldSelector", "dryRun",
        "fieldManager", "fieldValidation", "force", "includeObject", "timeoutSeconds", "sendInitialEvents", "watch",
        "pretty", "propagationPolicy", "gracePeriodSeconds",
    ]),
    st.text() | st.integers().map(str) | st.sampled_from(["true", "All", "a=b", "a in (b)", "!a", "0", "x" * 5000]),
    max_size=4,
)  # fmt: skip
FEW = settings(max_examples=100, derandomize=True, database=None)


class Prey:
    """A server that anything is sent to."""

    def __init__(self, runner: asyncio.Runner, http: aiohttp.ClientSession) -> None:
        self.runner = runner
        self.http = http
        self.before = runner.run(written(http))

    def check(self, method: str, path: str, data: bytes | None, **request: Any) -> None:
        """Send it: no 5xx, a Status for what is refused, and then nothing is written; what is there can be read."""
        self.runner.run(self._check(method, path, data, **request))

    async def _check(self, method: str, path: str, data: bytes | None, **request: Any) -> None:
        url = URL(f"{ROOT}/{path}", encoded=True)
        async with self.http.request(method, url, data=data, **request) as answer:
            if answer.status < 400:
                if "watch" in (request.get("params") or {}):
                    answer.close()
                self.before = await written(self.http)
                return
            status = await answer.json()
        # 504: a version that is still to come, waited for in vain
        assert answer.status < 500 or status["reason"] == "Timeout", status
        assert (status["kind"], status["status"], status["code"]) == ("Status", "Failure", answer.status)
        assert status["message"]
        assert await written(self.http) == self.before


@contextmanager
def prey(folder: Path) -> Iterator[Prey]:
    async def begin() -> aiohttp.ClientSession:
        server = await stack.enter_async_context(inhabited(folder))
        http = await stack.enter_async_context(server.session())
        await settled(http)
        return http

    stack = AsyncExitStack()
    with asyncio.Runner() as runner:
        try:
            yield Prey(runner, runner.run(begin()))
        finally:
            runner.run(stack.aclose())


def encoded(tree: Any) -> bytes:
    return json.dumps(tree).encode()


@pytest.mark.slow
def test_any_document_is_stored_or_refused(tmp_path: Path) -> None:
    with prey(tmp_path) as server:

        @FEW
        @given(documents(), st.sampled_from(["", "?fieldValidation=Strict", "?dryRun=All"]))
        def create(document: tuple[str, Object], query: str) -> None:
            server.check("POST", document[0] + query, encoded(document[1]), headers={"Content-Type": JSON})

        @FEW
        @given(documents(), st.sampled_from(["pro", "acme", "web"]), st.booleans())
        def put_or_apply(document: tuple[str, Object], name: str, applies: bool) -> None:  # noqa: FBT001 - drawn
            path = f"{document[0]}/{name}"
            if applies:
                headers = {"Content-Type": APPLY}
                server.check("PATCH", f"{path}?fieldManager=x&force=true", encoded(document[1]), headers=headers)
            else:
                server.check("PUT", path, encoded(document[1]), headers={"Content-Type": JSON})

        create()
        put_or_apply()


@pytest.mark.slow
def test_any_patch_is_applied_or_refused(tmp_path: Path) -> None:
    targets = st.sampled_from([f"{PLANS}/pro", f"{TENANTS}/acme", f"{CONFIGS}/web", f"{TENANTS}/acme/status"])
    with prey(tmp_path) as server:

        @FEW
        @given(targets, documents().map(lambda drawn: drawn[1]) | TREES)
        def merge(path: str, patch: Any) -> None:
            server.check("PATCH", path, encoded(patch), headers={"Content-Type": MERGE})

        @FEW
        @given(targets, st.lists(OPERATIONS, max_size=4) | TREES)
        def operate(path: str, operations: Any) -> None:
            server.check("PATCH", path, encoded(operations), headers={"Content-Type": JSON_PATCH})

        merge()
        operate()


@pytest.mark.slow
def test_any_bytes_parameters_and_headers_are_answered(tmp_path: Path) -> None:
    methods = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"])
    paths = st.sampled_from([PLANS, f"{PLANS}/new", CONFIGS, f"{CONFIGS}/new", "configs", f"{TENANTS}/new/status"])
    media = st.sampled_from([JSON, MERGE, JSON_PATCH, APPLY, "application/yaml", "text/plain"])
    with prey(tmp_path) as server:

        @FEW
        @given(methods, paths, media, st.binary() | st.text().map(str.encode))
        def send_bytes(method: str, path: str, kind: str, data: bytes) -> None:
            if method == "DELETE" and path in {PLANS, CONFIGS}:
                return  # a collection, which may be deleted
            server.check(method, f"{path}?fieldManager=x", data, headers={"Content-Type": kind})

        @FEW
        @given(paths, PARAMETERS)
        def ask(path: str, parameters: dict[str, str]) -> None:
            server.check("GET", path, None, params=parameters)

        @FEW
        @given(
            methods,
            st.dictionaries(
                st.sampled_from(
                    [
                        "Accept",
                        "Content-Type",
                        "Content-Encoding",
                        "If-Match",
                        "If-None-Match",
                        "Range",
                        "User-Agent",
                        "X-Request-ID",
                        "traceparent",
                        "X-Forwarded-For",
                        "Idempotency-Key",
                    ]
                ),
                HEADER,
                max_size=4,
            ),
        )
        def say(method: str, headers: dict[str, str]) -> None:
            server.check(method, f"{PLANS}/new", encoded(plan()), headers=headers)

        send_bytes()
        ask()
        say()
