"""One conversation with two servers: the same raw requests to a real kube-apiserver and to our API.

What each server chose for itself (uids, times, resourceVersions, generated names) is replaced by the order in which it
appeared, so that equal answers compare equal, and a request can name it: `$uid(gold)`, `$rv(gold)` (the last one seen),
`$rv(gold,0)` (the first), `$list` and `$continue` (of the last list). `$run` is a word that only this conversation
uses; of an object called `$run-gold` the tags say `gold`.
"""

from __future__ import annotations

import asyncio
import difflib
import io
import json
import re
import secrets
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import aiohttp
from yarl import URL

from tenantry.model.resource import API_VERSION

ROOT = f"/apis/{API_VERSION}"
JSON = "application/json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
STRATEGIC = "application/strategic-merge-patch+json"
#: seconds for anything that is expected to come
PATIENCE = 20

_TAG = re.compile(r"\$(?:(rv|uid)\(([a-z0-9-]+)(?:,(\d+))?\)|(list|continue|run)\b)")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_UNCHECKED = "some validation rules were not checked"
_TIMES = ("creationTimestamp", "deletionTimestamp", "time")

Show = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Different:
    """A difference that is meant: why, and the two HTTP codes where it is in them."""

    reason: str
    there: int | None = None
    here: int | None = None


class Answer(NamedTuple):
    """An answer in comparable form."""

    status: int
    content_type: str
    warnings: list[str]
    body: Any


@dataclass
class Side:
    """One server: how to reach it, and what it has said so far."""

    run: str
    url: str
    session: aiohttp.ClientSession
    tls: ssl.SSLContext
    uids: dict[str, str] = field(default_factory=dict)  # uid -> what it is called
    versions: dict[str, list[str]] = field(default_factory=dict)  # of each uid
    living: dict[str, str] = field(default_factory=dict)  # name -> uid last seen
    list_version: str = ""
    token: str = ""

    def fill(self, text: str) -> str:
        """`text` with this server's values for its tags."""
        return _TAG.sub(self._value, text)

    def locate(self, path: str) -> URL:
        """The URL of `path`, which is below our group version unless it starts with a slash; not touched further."""
        path = self.fill(path)
        return URL(f"{self.url}{path if path.startswith('/') else f'{ROOT}/{path}'}", encoded=True)

    def _value(self, tag: re.Match[str]) -> str:
        wanted, name, number, word = tag.groups()
        if word:
            return {"list": self.list_version, "continue": self.token, "run": self.run}[str(word)]
        uid = self.living[name]
        return uid if wanted == "uid" else self.versions[uid][int(number or -1)]

    def settle(self, tree: Any) -> Any:
        """`tree` with what the server chose replaced; it is remembered for tags."""
        if isinstance(tree, list):
            return [self.settle(item) for item in tree]
        if isinstance(tree, str):
            return tree.replace(self.run, "$run")
        if not isinstance(tree, dict):
            return tree
        if "resourceVersion" in tree and "uid" in tree:
            self._learn(tree)
        settled = {self.settle(name): self.settle(value) for name, value in tree.items()}
        self._settle_metadata(tree, settled)
        if tree.get("kind") == "Status" and isinstance(tree.get("message"), str):
            _settle_message(settled)
        return settled

    def _settle_metadata(self, tree: dict[str, Any], settled: dict[str, Any]) -> None:
        settled |= {name: "a time" for name in _TIMES if isinstance(tree.get(name), str)}
        if isinstance(tree.get("resourceVersion"), str):
            settled["resourceVersion"] = self._settle_version(tree)
        if "uid" in tree:
            settled["uid"] = self.uids.get(tree["uid"], "a uid" if _UUID.fullmatch(tree["uid"]) else tree["uid"])
        if "resourceVersion" in tree and "uid" not in tree:
            self.token = settled.pop("continue", "")
            settled |= {"continue": "a token"} if self.token else {}
        if "generateName" in tree:
            settled["name"] = f"{settled['name'][:-5]}*****"
        if "managedFields" in tree:
            settled["managedFields"] = sorted(settled["managedFields"], key=json.dumps)

    def _learn(self, meta: dict[str, Any]) -> None:
        version, uid = meta["resourceVersion"], meta["uid"]
        name = meta["name"].removeprefix(f"{self.run}-")
        if "generateName" in meta:
            name = f"{name[:-5]}*****"
        if uid not in self.uids:
            number = sum(1 for called in self.uids.values() if called.partition(" of ")[2] == name)
            self.uids[uid] = f"uid {number} of {name}"
            self.versions[uid] = []
        if version not in self.versions[uid]:
            self.versions[uid].append(version)
        self.living[name] = uid

    def _settle_version(self, meta: dict[str, Any]) -> str:
        version, uid = meta["resourceVersion"], meta.get("uid")
        if uid is not None:
            return f"version {self.versions[uid].index(version)} of it"
        if version.isdigit():
            self.list_version = version
        return "of a list" if version.isdigit() else version


class Stream:
    """One watch on both servers."""

    def __init__(self, talk: Conversation, answers: list[aiohttp.ClientResponse], *, label: str, show: Show) -> None:
        self._talk, self._answers, self._label, self._show = talk, answers, label, show

    async def expect(self, count: int, *, different: Different | None = None) -> None:
        """Read `count` events of each and compare them."""
        there, here = await asyncio.gather(*map(partial(self._read, count), self._talk.sides, self._answers))
        self._talk.compare(f"{self._label}: {count} events", there, here, different)

    async def expect_end(self) -> None:
        """Both streams end without a further event; how often bookmarks come is up to a server."""
        there, here = await asyncio.gather(*map(self._rest, self._answers))
        self._talk.compare(f"{self._label}: the end", there, here, None)

    async def _read(self, count: int, side: Side, answer: aiohttp.ClientResponse) -> list[Any]:
        return [await self._next(side, answer) for _ in range(count)]

    async def _rest(self, answer: aiohttp.ClientResponse) -> list[str]:
        async with asyncio.timeout(PATIENCE):
            text = await answer.read()
        return [kind for line in text.splitlines() if (kind := json.loads(line)["type"]) != "BOOKMARK"]

    async def _next(self, side: Side, answer: aiohttp.ClientResponse) -> Any:
        try:
            async with asyncio.timeout(PATIENCE):
                line = await answer.content.readline()
        except TimeoutError:
            return "nothing came"
        return self._show(side.settle(json.loads(line))) if line else "it ended"


class Conversation:
    """The same requests to both servers; what differs is collected in `differences`."""

    def __init__(self, there: Side, here: Side, *, show: Show) -> None:
        self.sides = (there, here)
        self.run = there.run
        self._show = show
        self.requests = 0
        self.differences: list[str] = []
        self._meant: set[Different] = set()
        self._streams = AsyncExitStack()

    async def get(self, path: str, **options: Any) -> None:
        """GET it."""
        await self.say("GET", path, **options)

    async def post(self, path: str, body: Any, **options: Any) -> None:
        """POST `body` to it."""
        await self.say("POST", path, body, **options)

    async def put(self, path: str, body: Any, **options: Any) -> None:
        """PUT `body` there."""
        await self.say("PUT", path, body, **options)

    async def patch(self, path: str, body: Any, kind: str = MERGE, **options: Any) -> None:
        """PATCH it with `body`, which is of the content type `kind`."""
        await self.say("PATCH", path, body, content_type=kind, **options)

    async def apply(self, path: str, body: Any, **options: Any) -> None:
        """PATCH it by server-side apply."""
        await self.say("PATCH", path, body, content_type=APPLY, **options)

    async def delete(self, path: str, body: Any = None, **options: Any) -> None:
        """DELETE it."""
        await self.say("DELETE", path, body, **options)

    async def say(  # noqa: PLR0913 - the parts of a request
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str | None = JSON,
        headers: dict[str, str] | None = None,
        accept: str = JSON,
        show: Show | None = None,
        different: Different | None = None,
    ) -> None:
        """Send one request to both and compare the answers.

        `path` is below our group version unless it starts with a slash, `body` text, bytes or a tree. `show` takes
        from a body what is to be compared; `different` is the difference that is meant to be there.
        """
        self.requests += 1
        sent = {"Accept": accept} | ({"Content-Type": content_type} if body is not None and content_type else {})
        there, here = await asyncio.gather(
            *(
                self._exchange(side, method, path, body, sent | (headers or {}), show or self._show)
                for side in self.sides
            )
        )
        self.compare(f"{method} {path} {_short(body)}", there, here, different)

    async def watch(
        self, path: str, *, accept: str = JSON, show: Show | None = None, different: Different | None = None
    ) -> Stream:
        """Open a watch on both; it is closed with the conversation."""
        self.requests += 1
        answers = []
        for side in self.sides:
            url = side.locate(f"{path}{'&' if '?' in path else '?'}watch=true")
            answer = await side.session.get(url, ssl=side.tls, headers={"Accept": accept})
            self._streams.callback(answer.close)
            answers.append(answer)
        there, here = [
            (answer.status, answer.headers.get("Content-Type"), answer.headers.get("Transfer-Encoding"))
            for answer in answers
        ]
        self.compare(f"watch {path}", there, here, different)
        return Stream(self, answers, label=f"watch {path}", show=show or self._show)

    async def close(self) -> None:
        """Close the watches that are open."""
        await self._streams.aclose()

    def agree(self) -> None:
        """Fail with everything that differed."""
        assert not self.differences, "\n\n".join([f"{len(self.differences)} answers differ", *self.differences])

    def compare(self, label: str, there: Any, here: Any, different: Different | None) -> None:
        """Note when the two differ and should not, or should and don't."""
        if different is None:
            if there != here:
                self.differences.append(f"{label}\n{_diff(there, here)}")
            return
        self._meant.add(different)
        expected = different.there is None or (there.status, here.status) == (different.there, different.here)
        if there == here or not expected:
            self.differences.append(f"{label}: the difference that is meant is not there: {different}\n{there}\n{here}")

    async def _exchange(  # noqa: PLR0913, PLR0917 - the parts of a request
        self, side: Side, method: str, path: str, body: Any, headers: dict[str, str], show: Show
    ) -> Answer:
        data = None
        if body is not None:
            data = io.BytesIO(body if isinstance(body, bytes) else side.fill(_text(body)).encode())
        async with (
            asyncio.timeout(PATIENCE),
            side.session.request(
                method, side.locate(path), data=data, headers=headers, ssl=side.tls, allow_redirects=False
            ) as answer,
        ):
            raw = await answer.read()
            content_type = answer.headers.get("Content-Type", "")
            tree = json.loads(raw) if content_type.startswith(JSON) and raw else raw.decode(errors="replace")
            warnings = answer.headers.getall("Warning", [])
            return Answer(answer.status, content_type, warnings, show(side.settle(tree)))


@asynccontextmanager
async def conversation(
    there: tuple[str, str, ssl.SSLContext], here: tuple[str, str, ssl.SSLContext], show: Show
) -> AsyncIterator[Conversation]:
    """A conversation with two servers, each a base URL, a bearer token and a TLS context.

    `show` takes from a body what is to be compared, where a request does not say otherwise.
    """
    async with AsyncExitStack() as stack:
        sides, run = [], f"r{secrets.token_hex(3)}"
        for url, token, tls in (there, here):
            session = aiohttp.ClientSession(
                headers={"Authorization": f"Bearer {token}", "User-Agent": "conversation/1.0"},
                skip_auto_headers=("Accept", "Content-Type"),
                timeout=aiohttp.ClientTimeout(total=None),
                read_bufsize=2**22,
            )
            sides.append(Side(run, url, await stack.enter_async_context(session), tls))
        talk = Conversation(*sides, show=show)
        stack.push_async_callback(talk.close)
        yield talk


def _settle_message(status: dict[str, Any]) -> None:
    """Numbers and uids out of a message; causes once, in an order, and in the message no more."""
    message = re.sub(r"\d+", "#", _UUID.sub("a uid", status["message"]))
    causes = status.get("details", {}).get("causes")
    if causes:
        # kube-apiserver checks some things twice, and says with the errors of a schema that it has not run the rules
        told = {json.dumps(cause): cause for cause in causes if _UNCHECKED not in cause["message"]}
        status["details"]["causes"] = [told[key] for key in sorted(told)]
        message = message.partition(" is invalid: ")[0]
    status["message"] = message
    if status.get("details") == {}:
        del status["details"]


def _text(body: Any) -> str:
    return body if isinstance(body, str) else json.dumps(body)


def _short(body: Any) -> str:
    return "" if body is None else _text(body.decode(errors="replace") if isinstance(body, bytes) else body)[:200]


def _diff(there: Any, here: Any) -> str:
    old, new = (json.dumps(each, indent=1, sort_keys=True, default=str).splitlines() for each in (there, here))
    return "\n".join(difflib.unified_diff(old, new, "there", "here", lineterm="", n=2))
