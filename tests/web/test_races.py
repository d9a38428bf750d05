"""Twenty at a time use one invite, one link, or leave as owners, on two server processes: one wins."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tenantry.model.links import Purpose
from tenantry.model.permissions import Role
from tenantry.services.people import links
from tenantry.storage import users
from tenantry.web.authentication import SESSION_COOKIE
from tests.support.application import Application
from tests.support.browsing import Browser, Page, browsing, log_in
from tests.support.databases import opened
from tests.support.people import add_member, add_session, add_user, browser
from tests.support.server import ServerProcess, server_processes

pytestmark = pytest.mark.slow

TRIES = 20
PASSWORD = "four unrelated old words"
#: spent, or the queue for password hashes is full
LOST = {404, 503}


@dataclass
class Race:
    """The servers, their database, and what test support takes for a server of it."""

    servers: list[ServerProcess]
    database: Any
    there: Any

    def server(self, number: int) -> Any:
        """One of them, in turn."""
        return self.servers[number % len(self.servers)]

    async def run(self, prepare: Callable[[int, Browser], Awaitable[Page]], **fields: str) -> list[int]:
        """With which status it ends for those who open a page one after the other, and send its form all at once."""
        async with AsyncExitStack() as stack:
            ready = []
            for number in range(TRIES):
                person = await stack.enter_async_context(browsing(self.server(number)))
                ready.append((person, await prepare(number, person)))
            answers = await asyncio.gather(
                *(
                    person.submit(page, 0, **{name: value.format(number) for name, value in fields.items()})
                    for number, (person, page) in enumerate(ready)
                )
            )
        return [answer.status for answer in answers]


@pytest.fixture
async def race(tmp_path: Path, database_url: str) -> AsyncIterator[Race]:
    """Two server processes on each database."""
    async with opened(database_url) as database, server_processes(tmp_path, database_url) as servers:
        yield Race(servers, database, SimpleNamespace(services=SimpleNamespace(db=database)))


def the_winner(ended: list[int]) -> int:
    """Whose try did it, of which all others must have come to nothing."""
    assert ended.count(303) == 1, ended
    assert set(ended) - {303} <= LOST, ended
    return ended.index(303)


async def invite(v1: Application) -> str:
    """The page of an invite to a new tenant."""
    await v1.tenant("acme")
    invited = {"email": "ada@example.com", "role": "developer"}
    link = (await v1.post("/v1/tenants/acme/invites", invited)).body["link"]
    return "/invite/" + str(link).rpartition("/")[2]


async def test_an_invite_is_accepted_once(race: Race) -> None:
    async with race.servers[0].session() as session:
        v1 = Application(session, race.server(0))
        path = await invite(v1)
        people = [await add_user(race.there, f"user-{number}@example.com") for number in range(TRIES)]

        async def prepare(number: int, person: Browser) -> Page:
            person.cookies[SESSION_COOKIE] = await add_session(race.there, people[number])
            return await person.get(path)

        the_winner(await race.run(prepare))
        assert len(await v1.items("/v1/tenants/acme/members")) == 1


async def test_an_invite_makes_one_account(race: Race) -> None:
    async with race.servers[0].session() as session:
        v1 = Application(session, race.server(0))
        path = await invite(v1)
        fields = {"name": "Ada {}", "password": PASSWORD, "repeated": PASSWORD}
        the_winner(await race.run(lambda _, person: person.get(path), **fields))
        assert len(await v1.items("/v1/tenants/acme/members")) == 1


async def test_one_owner_stays(race: Race) -> None:
    async with race.servers[0].session() as session:
        v1 = Application(session, race.server(0))
        acme = (await v1.tenant("acme"))["status"]["tenantID"]
        owners = []
        for number in range(TRIES):
            user = await add_user(race.there, f"owner-{number}@example.com")
            await add_member(race.there, acme, user, Role.OWNER)
            owners.append((user, await add_session(race.there, user, acme)))

        async def go(number: int) -> tuple[int, str]:
            user, cookie = owners[number]
            async with browser(race.server(number), cookie) as api:
                if number % 4 < 2:
                    done = await api.call("DELETE", "/v1/me/tenants/acme")
                else:
                    done = await api.call("PATCH", f"/v1/tenants/acme/members/{user.id}", {"role": "viewer"})
                return done.status, done.body.get("code", "")

        ended = Counter(await asyncio.gather(*(go(number) for number in range(TRIES))))
        assert ended == {(200, ""): TRIES - 1, (409, "last_owner"): 1}
        roles = [item["role"] for item in await v1.items("/v1/tenants/acme/members")]
        assert roles.count("owner") == 1


async def test_a_setup_link_makes_one_administrator(race: Race) -> None:
    token = await race.database.run(lambda unit: links.make(unit, Purpose.SETUP), write=True)
    fields = {"email": "admin-{}@example.com", "password": PASSWORD, "repeated": PASSWORD}
    the_winner(await race.run(lambda _, person: person.get(f"/setup/{token}"), **fields))
    found = await race.database.run(lambda unit: users.page(unit, limit=TRIES))
    assert [user.platform_admin for user in found] == [True]


async def test_a_reset_link_sets_one_password(race: Race) -> None:
    user = await add_user(race.there)
    token = await race.database.run(lambda unit: links.make(unit, Purpose.PASSWORD, user.id), write=True)
    fields = {"password": "words that number {} knows", "repeated": "words that number {} knows"}
    winner = the_winner(await race.run(lambda _, person: person.get(f"/password/reset/{token}"), **fields))
    async with browsing(race.servers[0]) as person:
        signed_in = await log_in(person, user.email, f"words that number {winner} knows")
        assert signed_in.status == 303, signed_in.text
