"""What is SQLite's own: one writer with group commit, readers beside it, and a disk that fills up."""

import asyncio
import resource
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import peewee
import pytest

from tenantry.model.errors import Code, TenantryError
from tenantry.storage import changes, resources, sqlite
from tenantry.storage.connection import SQLiteConnection
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit
from tests.storage.samples import create, tenant
from tests.storage.test_db import Gate
from tests.support.databases import opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tenantry.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    async with opened(f"sqlite:///{path}") as found:
        yield found


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Grows by one with every COMMIT."""
    seen: list[object] = []
    original = SQLiteConnection.commit

    def commit(connection: SQLiteConnection) -> None:
        original(connection)
        seen.append(connection)

    monkeypatch.setattr(SQLiteConnection, "commit", commit)
    return seen


async def queue_behind(gate: Gate, database: Database, *units: Callable[[Unit], object]) -> list[asyncio.Task[object]]:
    """Tasks of ``units``, queued while the writer is held in the first unit of a batch."""
    held = asyncio.create_task(database.run(gate.hold, write=True))
    await gate.wait_entered()
    tasks = [asyncio.create_task(database.run(unit, write=True)) for unit in units]
    await asyncio.sleep(0)
    gate.open.set()
    return [held, *tasks]


def creating(name: str) -> Callable[[Unit], object]:
    return lambda unit: create(unit, tenant(name))


async def test_units_share_a_commit_up_to_64_of_them(
    database: Database, commits: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BATCH_SECONDS", 60)
    tasks = await queue_behind(Gate(), database, *(creating(f"t-{n}") for n in range(70)))
    await asyncio.gather(*tasks)
    assert len(commits) == 2  # 64 and 7
    assert await database.run(changes.current_seq) == 70


async def test_a_batch_ends_after_its_time(
    database: Database, commits: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BATCH_SECONDS", 0)
    tasks = await queue_behind(Gate(), database, *(creating(f"t-{n}") for n in range(9)))
    await asyncio.gather(*tasks)
    assert len(commits) == 10


async def test_a_failed_commit_fails_every_unit_of_the_batch(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BATCH_SECONDS", 60)
    original = SQLiteConnection.commit

    def fail(connection: SQLiteConnection) -> None:
        del connection
        monkeypatch.setattr(SQLiteConnection, "commit", original)
        raise peewee.OperationalError("disk I/O error")

    monkeypatch.setattr(SQLiteConnection, "commit", fail)
    seqs: list[int] = []
    database.on_commit(lambda seq, _: seqs.append(seq))
    tasks = await queue_behind(Gate(), database, creating("one"), creating("two"))
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [peewee.OperationalError] * 3
    assert seqs == []
    (stored,) = await database.run(create, tenant("one"), write=True)
    assert (stored.seq, seqs) == (1, [1])


async def test_a_unit_that_reads_cannot_write(database: Database) -> None:
    def write(unit: Unit) -> None:
        unit.database.run("DELETE FROM clock")

    with pytest.raises(TenantryError, match="attempt to write a readonly database"):
        await database.run(write)


async def test_a_commit_is_synced(database: Database) -> None:
    def read(unit: Unit) -> list[object]:
        return [unit.database.run(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]

    assert await database.run(read, write=True) == ["wal", 2]


async def test_another_process_may_hold_the_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0)
    async with opened(f"sqlite:///{path}") as database:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(TenantryError, match="database is locked") as busy:
                await database.run(create, tenant("acme"), write=True)
            assert (busy.value.code, busy.value.retry_after) == (Code.UNAVAILABLE, 1)
            assert await database.run(changes.current_seq) == 0
            other.execute("ROLLBACK")
        await database.run(create, tenant("acme"), write=True)


@contextmanager
def small_files(limit: int) -> Iterator[None]:
    """Let no file of this process grow beyond ``limit`` bytes: the system refuses to write, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def write_until_full(database: Database) -> list[str]:
    """Create tenants until one is refused, and return the names of those that were not."""
    done: list[str] = []
    while len(done) < 5000:
        names = [f"t-{len(done) + n}" for n in range(16)]
        units = (database.run(create, tenant(name, spec=f'"{"x" * 5000}"'), write=True) for name in names)
        results = await asyncio.gather(*units, return_exceptions=True)
        done += [name for name, result in zip(names, results, strict=True) if not isinstance(result, BaseException)]
        errors = [result for result in results if isinstance(result, BaseException)]
        if errors:
            assert {error.code for error in errors if isinstance(error, TenantryError)} == {Code.UNAVAILABLE}
            assert all(isinstance(error, TenantryError) for error in errors)
            return done
    raise AssertionError("the disk did not fill up")


async def check_that_all_is_there(database: Database, names: list[str]) -> None:
    stored = await database.run(lambda unit: resources.page(unit, "Tenant", limit=10_000))
    log = await database.run(changes.read, 0, 10_000)
    assert [change.seq for change in log] == list(range(1, len(stored) + 1))
    assert {item.name for item in stored} == {change.name for change in log} == set(names)


async def test_a_full_disk_refuses_writes_and_serves_reads(database: Database, path: Path) -> None:
    with small_files(path.stat().st_size + 1_000_000):  # noqa: ASYNC240 - a moment
        names = await write_until_full(database)
        await check_that_all_is_there(database, names)
        await database.ready()
    await database.run(create, tenant("later"), write=True)
    await check_that_all_is_there(database, [*names, "later"])


async def test_a_full_file_refuses_writes_and_serves_reads(database: Database) -> None:
    def limit(unit: Unit, pages: int) -> None:
        unit.database.run(f"PRAGMA max_page_count = {pages}")

    await database.run(limit, 300, write=True)
    names = await write_until_full(database)
    await check_that_all_is_there(database, names)
    await database.run(limit, 1_000_000, write=True)
    await database.run(create, tenant("later"), write=True)
    await check_that_all_is_there(database, [*names, "later"])


async def test_a_folder_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    absolute, told = f"{tmp_path}/nowhere", "; a path after four slashes, sqlite:////, begins at the root"
    for folder, hint in ((absolute, ""), ("nowhere", told)):
        with pytest.raises(TenantryError) as failed:
            await Database.open(f"sqlite:///{folder}/tenantry.db")
        assert failed.value.code is Code.UNAVAILABLE
        assert failed.value.message == f"{folder}/tenantry.db: there is no folder {absolute}{hint}"


@pytest.mark.parametrize("url", ["sqlite:relative", "sqlite://host/x", "sqlite:///", "postgres://h/d", "mysql://h", ""])
async def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be mysql://user:password@host"):
        await Database.open(url)


async def test_nobody_else_reads_the_files(path: Path, database: Database) -> None:
    await database.run(creating("acme"), write=True)
    files = sorted(path.parent.glob("tenantry.db*"))
    assert [file.name for file in files] == ["tenantry.db", "tenantry.db-shm", "tenantry.db-wal"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
