"""People who are signed in: users, their memberships, and browsers with a session."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tenantry.model import ids
from tenantry.model.credentials import Prefix, new_token
from tenantry.model.identity import Membership, Session, User
from tenantry.model.permissions import Role
from tenantry.storage import changes, memberships, sessions, users
from tenantry.storage.unit import Unit
from tenantry.web import csrf
from tenantry.web.authentication import SESSION_COOKIE
from tests.support.application import Application
from tests.support.server import ServerInProcess, running_server

PASSWORD = "four unrelated old words"


async def add_user(server: ServerInProcess, email: str = "ada@example.com", **columns: Any) -> User:
    """A user as the database has it, who has proved their address."""
    now = ids.now_micros()
    user = User(id=ids.uuid7(), email=email, created_at=now, updated_at=now, **{"email_verified": True, **columns})
    await server.services.db.run(users.insert, user, write=True)
    return user


async def add_account(server: ServerInProcess, email: str = "ada@example.com", **columns: Any) -> User:
    """One that signs in with ``PASSWORD``."""
    return await add_user(server, email, password_hash=await server.services.passwords.hash(PASSWORD), **columns)


async def add_member(server: ServerInProcess, tenant_id: str, user: User, role: Role) -> None:
    """Make ``user`` a member of the tenant."""
    now = ids.now_micros()
    membership = Membership(tenant_id=tenant_id, user_id=user.id, role=role, created_at=now, updated_at=now)
    await server.services.db.run(memberships.insert, membership, write=True)


async def add_session(server: ServerInProcess, user: User, tenant_id: str = "", **columns: Any) -> str:
    """The cookie of a new session of ``user``."""
    cookie, identifier, secret_sha = new_token(Prefix.SESSION)
    now = ids.now_micros()
    session = Session(
        id=identifier,
        secret_sha=secret_sha,
        user_id=user.id,
        auth_version=user.auth_version,
        tenant_id=tenant_id,
        **{"amr": ("pwd",), "auth_time": now, "created_at": now, "last_seen_at": now, **columns},
    )

    def insert(unit: Unit) -> None:
        sessions.insert(unit, session)

    await server.services.db.run(insert, write=True)
    return cookie


async def seen(server: ServerInProcess) -> None:
    """Wait until the server has heard of everything that is in its database."""
    services = server.services
    assert await services.feed.wait_for(await services.db.run(changes.current_seq), 20)


@asynccontextmanager
async def browser(server: ServerInProcess, cookie: str, *, token: bool = True) -> AsyncIterator[Application]:
    """The application API for a browser with a session, whose scripts send its CSRF token."""
    headers = {"Cookie": f"{SESSION_COOKIE}={cookie}", "Sec-Fetch-Site": "same-origin"}
    if token:
        headers[csrf.HEADER] = csrf.token_of(cookie)
    async with aiohttp.ClientSession(server.base_url, headers=headers) as session:
        yield Application(session, server)


@asynccontextmanager
async def replicas(tmp_path: Path, database_url: str) -> AsyncIterator[list[ServerInProcess]]:
    """Two servers on one database; one where a database is a file of one process."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(running_server(tmp_path / str(number), database_url=database_url))
            for number in range(1 if database_url.startswith("sqlite") else 2)
        ]
