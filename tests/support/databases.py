"""Databases for tests: an empty one for each test, on every backend that this machine can have.

A test that takes ``database`` or ``database_url`` runs on SQLite, MariaDB and MySQL 9.7. One that takes
``database_server`` runs on the two servers, and may freeze, kill and restart its own as long as it leaves it running.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tenantry.storage import schema, tables
from tenantry.storage.db import Database
from tests.cluster.databases import DatabaseServer
from tests.support.migrated import place_database

SERVERS = [pytest.param(name, marks=pytest.mark.database) for name in ("mariadb", "mysql97")]

#: On a server, creating the tables takes longer than most tests: all tests of a session share one database there.
SHARED = "tenantry_test"
EMPTY = [
    f"DELETE FROM {model._meta.table_name};"  # noqa: S608 - our own names
    for model in tables.ALL
    if model not in (tables.Clock, tables.Instance)
]


@pytest.fixture(params=SERVERS)
def database_server(request: pytest.FixtureRequest) -> DatabaseServer:
    """A running server, shared by the whole session."""
    found: DatabaseServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["sqlite", *SERVERS])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database with all tables and no rows."""
    if request.param == "sqlite":
        await place_database(tmp_path / "tenantry.db")
        return f"sqlite:///{tmp_path / 'tenantry.db'}"
    return await emptied(request.getfixturevalue(request.param))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open database with all tables and no rows."""
    async with opened(database_url) as found:
        yield found


@pytest.fixture(params=["sqlite", *SERVERS])
def new_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tenantry.db'}"
    server: DatabaseServer = request.getfixturevalue(request.param)
    name = f"test_{secrets.token_hex(6)}"
    server.create_database(name)
    return server.url(name)


async def emptied(server: DatabaseServer) -> str:
    """The URL of the shared database of ``server``, with all tables and no rows."""
    url = server.url(SHARED)
    if server.sql(f"SHOW DATABASES LIKE '{SHARED}'"):
        server.sql(" ".join([f"USE {SHARED};", *EMPTY, "UPDATE clock SET seq = 0;"]))
    else:
        server.create_database(SHARED)
        async with opened(url):
            pass
    return url


@asynccontextmanager
async def opened(url: str, *, threads: int = 16, waiting: int = 64) -> AsyncIterator[Database]:
    """The database at ``url`` with all tables, closed at the end."""
    database = await Database.open(url, threads=threads, waiting=waiting)
    try:
        await schema.migrate(database)
        yield database
    finally:
        await database.close()
