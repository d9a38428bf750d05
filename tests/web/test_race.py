"""Sixteen writers against watchers that come, go and resume: nothing is lost, repeated or turned round.

On a database server two processes of the API serve the same collection, and clients use either.
"""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from tests.support.server import ServerProcess, server_process
from tests.support.watching import Event, Follower, OutOfOrderError, list_all, version_of

pytestmark = pytest.mark.slow

PLANS = "/apis/tenantry.dev/v1alpha1/plans"
MERGE = {"Content-Type": "application/merge-patch+json"}
SECONDS = 60
WRITERS = 16
WRITES = 480
NAMES = [f"plan-{number}" for number in range(24)]  # so few that writers meet
FIRST, LAST = "a-start", "the-end"
CHANCE = random.SystemRandom()
RING = "inner"
SELECTOR = f"ring={RING}"


@asynccontextmanager
async def replicas(tmp_path: Path, database_url: str) -> AsyncIterator[list[ServerProcess]]:
    """As many processes of the API on one database as it permits."""
    async with AsyncExitStack() as stack:
        running = []
        for number in range(1 if database_url.startswith("sqlite") else 2):
            folder = tmp_path / f"replica-{number}"
            folder.mkdir()
            server = server_process(folder, {"TENANTRY_DATABASE_URL": database_url})
            running.append(await stack.enter_async_context(server))
        yield running


@dataclass
class Race:
    """The clients of all replicas, and what was acknowledged to writers."""

    clients: list[aiohttp.ClientSession]
    filler: str = ""  # that makes every plan so large
    written: set[int] = field(default_factory=set)  # versions
    deleted: int = 0
    progress: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def client(self) -> aiohttp.ClientSession:
        """Any of them."""
        return CHANCE.choice(self.clients)

    async def write(self, numbers: "itertools.count[int]") -> None:
        """Create, change and delete plans, as long as there are numbers left."""
        while (number := next(numbers)) < WRITES:
            name, labels = CHANCE.choice(NAMES), {"ring": CHANCE.choice([RING, "outer"])}
            meta = {"labels": labels, "annotations": {"filler": self.filler}}
            patch = {"metadata": meta, "spec": {"displayName": f"{name} {number}"}}
            http, kind = self.client, CHANCE.choices(["create", "patch", "delete"], [3, 5, 1])[0]
            if kind == "delete":
                async with http.delete(f"{PLANS}/{name}") as answer:
                    assert answer.status in {200, 404}, await answer.text()
                    self.deleted += answer.status == 200
            else:
                document = {"apiVersion": "tenantry.dev/v1alpha1", "kind": "Plan", **patch}
                request = (
                    http.post(PLANS, json={**document, "metadata": {"name": name, **meta}})
                    if kind == "create"
                    else http.patch(f"{PLANS}/{name}", json=patch, headers=MERGE)
                )
                async with request as answer:
                    # 409: it is there already, or others were faster eight times
                    assert answer.status in ({201, 409} if kind == "create" else {200, 404, 409}), await answer.text()
                    if answer.status in {200, 201}:
                        self.written.add(int((await answer.json())["metadata"]["resourceVersion"]))
            async with self.progress:
                self.progress.notify_all()

    async def write_one(self, name: str) -> None:
        """Create a plan that nobody changes."""
        meta = {"name": name, "labels": {"ring": RING}, "annotations": {"filler": self.filler}}
        document = {"apiVersion": "tenantry.dev/v1alpha1", "kind": "Plan", "metadata": meta}
        async with self.client.post(PLANS, json={**document, "spec": {"displayName": name}}) as answer:
            assert answer.status == 201, await answer.text()

    async def follow(self, follower: Follower, patience: int = WRITES) -> Follower:
        """Watch to the end, each time from any replica and for at most ``patience`` events."""
        while LAST not in follower.state:
            left = CHANCE.randint(1, patience)
            async with follower.watch(self.client) as events:
                async for event in events:
                    left -= 1
                    if not left or event["object"]["metadata"]["name"] == LAST:
                        break
        return follower

    async def come_late(self, selector: str = "", limit: int = 0) -> Follower:
        """List in the thick of it, and follow from there."""
        begin = CHANCE.randint(1, WRITES // 4)
        async with self.progress:
            await self.progress.wait_for(lambda: len(self.written) >= begin)
        follower = Follower(PLANS, selector)
        await follower.list(self.client, limit=limit)
        return await self.follow(follower)


async def test_watchers_lose_nothing_and_see_nothing_twice_while_sixteen_write(
    tmp_path: Path, database_url: str
) -> None:
    async with replicas(tmp_path, database_url) as servers, AsyncExitStack() as stack:
        race = Race([
            await stack.enter_async_context(
                aiohttp.ClientSession(
                    server.base_url, headers=server.headers, connector=aiohttp.TCPConnector(limit=0)
                )
            )
            for server in servers
        ])  # fmt: skip
        async with asyncio.timeout(SECONDS):
            await race.write_one(FIRST)
            witness = Follower(PLANS)
            await witness.list(race.client)
            watching = asyncio.gather(
                race.follow(witness),
                *(
                    race.follow(Follower(PLANS, state=dict(witness.state), version=witness.version), 12)
                    for _ in "abcdef"
                ),
                *(race.come_late() for _ in "abcdefgh"),
                *(race.come_late(limit=5) for _ in "abcd"),
            )
            choosing = asyncio.gather(*(race.come_late(SELECTOR) for _ in "abcd"))
            numbers = itertools.count()
            await asyncio.gather(*(race.write(numbers) for _ in range(WRITERS)))
            await race.write_one(LAST)
            followers, choosers = await watching, await choosing
            final, _ = await list_all(race.client, PLANS)
            chosen, _ = await list_all(race.client, PLANS, selector=SELECTOR)
    assert race.written <= {version for _, _, version in witness.seen}
    assert sum(what == "DELETED" for what, _, _ in witness.seen) == race.deleted
    assert witness.state == final
    for follower in followers:
        assert follower.seen == witness.seen[-len(follower.seen) :]
        assert follower.state == final
    assert [follower.state for follower in choosers] == [chosen] * 4


@dataclass
class Newcomer(Follower):
    """A client that begins with the state, which comes in parts while others write, and follows from there.

    Every object is told once as it was, and then each of its changes, up to the bookmark that ends the state as well.
    """

    latest: dict[str, int] = field(default_factory=dict)

    def apply(self, event: Event) -> None:
        """Bring the copy up to date."""
        what, item = event["type"], event["object"]
        if what == "ERROR":
            raise OutOfOrderError(item)
        version = version_of(item)
        if what == "BOOKMARK":
            if version < max(self.latest.values(), default=0):
                raise OutOfOrderError(f"the state as of {version} has {self.latest}")
            self.version = version
            return
        name = item["metadata"]["name"]
        if (name in self.state) != (what != "ADDED") or version <= max(self.latest.get(name, 0), self.version):
            raise OutOfOrderError(f"{what} {name} at {version} after {self.latest.get(name)} and {self.version}")
        self.latest[name] = version
        if self.version:
            self.version = version
        if what == "DELETED":
            del self.state[name]
        else:
            self.state[name] = version

    async def follow(self, http: aiohttp.ClientSession) -> "Newcomer":
        """Watch from the state to the end."""
        parameters = {"watch": "true", "sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        parameters |= {"allowWatchBookmarks": "true", "resourceVersion": "0"}
        async with http.get(PLANS, params=parameters) as answer:
            async for _ in self._events(answer):
                if LAST in self.state and self.version:
                    answer.close()
                    return self
        raise AssertionError("the watch has ended")


async def test_who_begins_with_the_state_is_told_every_change_once(tmp_path: Path, database_url: str) -> None:
    async with replicas(tmp_path, database_url) as servers, AsyncExitStack() as stack:
        race = Race([
            await stack.enter_async_context(
                aiohttp.ClientSession(
                    server.base_url, headers=server.headers, connector=aiohttp.TCPConnector(limit=0)
                )
            )
            for server in servers
        ], filler="x" * 8000)  # fmt: skip
        async with asyncio.timeout(SECONDS):
            for name in NAMES:
                await race.write_one(name)

            async def come(late: int) -> Newcomer:
                async with race.progress:
                    await race.progress.wait_for(lambda: len(race.written) >= late)
                return await Newcomer(PLANS).follow(race.client)

            coming = asyncio.gather(*(come(late) for late in range(0, 160, 8)))
            numbers = itertools.count()
            await asyncio.gather(*(race.write(numbers) for _ in range(WRITERS)))
            await race.write_one(LAST)
            newcomers = await coming
            final, _ = await list_all(race.client, PLANS)
    assert [newcomer.state for newcomer in newcomers] == [final] * len(newcomers)
