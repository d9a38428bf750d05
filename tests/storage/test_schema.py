"""Migrations bring every database to the same schema, once, whoever starts them."""

import asyncio
import re
import shutil
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import peewee
import pytest

from tenantry.model.errors import Code, TenantryError
from tenantry.storage import changes, leases, resources, schema, tables
from tenantry.storage.db import Database
from tenantry.storage.schema import SchemaState
from tenantry.storage.unit import Unit
from tests.cluster.databases import DatabaseServer
from tests.storage.samples import tenant
from tests.support.databases import emptied, opened

MIGRATIONS = Path(schema.__file__).with_name("migrations")
NEWEST = max(int(path.name[:4]) for path in MIGRATIONS.glob("[0-9]*.py"))
EXTRA = "9901_extra.py"
ROOT = Path(__file__).resolve().parents[2]


def extended(tmp_path: Path, does: str) -> Path:
    """A folder with all migrations and one more, which ``does`` something outside a transaction."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__*"))
    (folder / EXTRA).write_text(f"atomic = False\ndef up(migrator, db):\n    {does}\n")
    return folder


def before(number: int, tmp_path: Path) -> Path:
    """A folder with the migrations below that number."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    for path in MIGRATIONS.glob("[0-9]*.py"):
        if int(path.name[:4]) < number:
            (folder / path.name).write_text(path.read_text())
    return folder


async def test_the_tables_are_those_that_the_models_tell_of(database: Database) -> None:
    def columns(unit: Unit) -> dict[str, dict[str, bool]]:
        names = set(unit.database.get_tables()) - {"schema_migration"}
        return {name: {column.name: column.null for column in unit.database.get_columns(name)} for name in names}

    def keys(unit: Unit) -> dict[str, list[str]]:
        return {
            model._meta.table_name: list(unit.database.get_primary_keys(model._meta.table_name)) for model in tables.ALL
        }

    def primary(model: type[peewee.Model]) -> list[str]:
        key: Any = model._meta.primary_key
        return list(key.field_names) if isinstance(key, peewee.CompositeKey) else [key.name]

    assert await database.run(columns) == {
        model._meta.table_name: dict.fromkeys(model._meta.sorted_field_names, False) for model in tables.ALL
    }
    assert await database.run(keys) == {model._meta.table_name: primary(model) for model in tables.ALL}


async def test_every_table_tells_its_collation(database_server: DatabaseServer) -> None:
    query = (
        "SELECT table_name, column_name, collation_name FROM information_schema.columns "
        "WHERE table_schema = DATABASE() AND collation_name IS NOT NULL AND table_name <> 'schema_migration'"
    )
    engines = "SELECT DISTINCT engine FROM information_schema.tables WHERE table_schema = DATABASE()"

    def read(unit: Unit) -> tuple[set[tuple[str, str]], list[tuple[str]]]:
        rows = unit.database.run(query).fetchall()
        odd = {(table, column) for table, column, collation in rows if collation != "utf8mb4_bin"}
        return odd, list(unit.database.run(engines).fetchall())

    async with opened(await emptied(database_server)) as database:
        odd, found = await database.run(read)
    assert odd == {("resource_label", "key"), ("resource_label", "value")}  # ASCII
    assert found == [("InnoDB",)]


async def test_migrating_again_does_nothing(database: Database) -> None:
    assert await schema.state(database) == SchemaState(current=NEWEST, expected=NEWEST)
    assert await schema.migrate(database) == []


async def test_one_of_several_migrates(new_database_url: str) -> None:
    databases = [await Database.open(new_database_url) for _ in range(3)]
    try:
        done = await asyncio.gather(*(schema.migrate(database) for database in databases))
        assert sum(len(names) for names in done) in {0, len(list(MIGRATIONS.glob("[0-9]*.py")))}  # SQLite has them
        assert {(await schema.state(database)).current for database in databases} == {NEWEST}
    finally:
        for database in databases:
            await database.close()


async def test_a_migration_that_fails_is_run_again(
    new_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = extended(tmp_path, "db.run('CREATE TABLE nonsense')")
    extra = folder / EXTRA
    async with opened(new_database_url) as database:
        monkeypatch.setattr(schema, "_DIRECTORY", folder)
        with pytest.raises(peewee.PeeweeException):
            await schema.migrate(database)
        assert await schema.state(database) == SchemaState(current=NEWEST, expected=9901)
        extra.write_text("def up(migrator, db):\n    db.run('CREATE TABLE IF NOT EXISTS extra (a INT)')\n")
        assert await schema.migrate(database) == ["9901_extra"]


async def test_changes_from_before_it_was_kept_know_their_tenant(
    new_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    older = before(116, tmp_path)
    item = tenant("acme", tenant_id="0190c6f2-0000-7000-8000-000000000001")

    def fill(unit: Unit) -> None:
        columns = "seq, kind, namespace, name, uid, verb, object, prev_labels, at, size"
        for seq, uid in ((1, item.uid), (2, "of-one-that-is-gone"), (1200, item.uid)):
            values = f"{seq}, 'Tenant', '', 'acme', '{uid}', 'ADDED', '{{}}', '{{}}', 1, 4"
            unit.database.run(f"INSERT INTO change_log ({columns}) VALUES ({values})")  # noqa: S608 - our own
        resources.insert(unit, item, {})
        unit.seal({item.uid}, 2, ())

    with monkeypatch.context() as patched:
        patched.setattr(schema, "_DIRECTORY", older)
        async with opened(new_database_url) as database:
            await database.administer(fill)
    async with opened(new_database_url) as database:
        log = await database.run(changes.read, 0, 10)
    assert [change.tenant_id for change in log] == [item.tenant_id, "", item.tenant_id]


async def test_workloads_that_may_stop_are_named(
    new_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = [name for name in tables.ServiceAccount._meta.fields if name != "given"]

    def fill(unit: Unit) -> None:
        for number, (tenant_id, subject) in enumerate((("t", "system:x"), ("t", ""), ("", "system:y"))):
            row = {
                "id": f"a{number}",
                "name": str(number),
                "tenant_id": tenant_id,
                "subject": subject,
                "cluster": "east",
            }
            values = [row.get(name, "0") for name in names]
            unit.database.run(f"INSERT INTO service_account ({', '.join(names)}) VALUES {tuple(values)}")  # noqa: S608

    with monkeypatch.context() as patched:
        patched.setattr(schema, "_DIRECTORY", before(241, tmp_path))
        async with opened(new_database_url) as database:
            await database.administer(fill)
    async with opened(new_database_url):
        pass
    (told,) = [message for message in caplog.messages if "namespace on record" in message]
    assert told.startswith("system:x of the cluster east is the service account a0 of the tenant t only while")


async def test_a_migration_that_another_runs_is_waited_for(
    new_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(new_database_url) as database:
        folder = extended(tmp_path, "pass")
        other = await database.run(leases.acquire, "migrations", "other", 60.0, write=True)
        assert other is not None
        monkeypatch.setattr(schema, "_DIRECTORY", folder)
        monkeypatch.setattr(schema, "_WAIT_SECONDS", 0)
        with pytest.raises(TenantryError, match="another process has been migrating"):
            await schema.migrate(database)
        [line] = [record.getMessage() for record in caplog.records if record.name == schema.logger.name]
        assert re.fullmatch(r"other migrates the database: waiting until it is done, or 2\S+\+00:00 if it died", line)
        await database.run(leases.release, other, write=True)
        assert await schema.migrate(database) == ["9901_extra"]


@pytest.mark.slow
async def test_the_lease_is_renewed_while_a_file_takes_its_time(
    new_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    read = "expires = lambda: db.execute_sql('SELECT expires FROM lease').fetchone()"
    folder = extended(
        tmp_path, f"import time\n    {read}\n    first = expires()\n    while expires() == first: time.sleep(0.01)"
    )
    async with opened(new_database_url) as database:
        monkeypatch.setattr(schema, "_DIRECTORY", folder)
        monkeypatch.setattr(schema, "_LEASE_SECONDS", 3.0)
        assert await schema.migrate(database) == ["9901_extra"]
        assert await schema.migrate(database) == []


@pytest.mark.slow
async def test_a_migration_that_was_killed_is_done_again_soon(
    new_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = extended(tmp_path, "import time; print('migrating', flush=True); time.sleep(3600)")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.storage.test_schema", new_database_url, folder, cwd=ROOT, stdout=PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"migrating\n"
    process.kill()
    await process.wait()
    (folder / EXTRA).write_text("def up(migrator, db): pass")
    monkeypatch.setattr(schema, "_DIRECTORY", folder)
    async with opened(new_database_url) as database:
        assert (await schema.state(database)).current == 9901


async def test_a_database_of_a_newer_release_is_left_alone(
    new_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "9901_extra.py").write_text("def up(migrator, db):\n    pass\n")
    async with opened(new_database_url) as database:
        with monkeypatch.context() as patch:
            patch.setattr(schema, "_DIRECTORY", tmp_path)
            assert await schema.migrate(database) == ["9901_extra"]
        with pytest.raises(TenantryError, match=f"is at 9901 and this release works with {NEWEST} to ") as caught:
            await schema.migrate(database)
        assert caught.value.code is Code.UNAVAILABLE


@pytest.mark.parametrize(
    ("current", "accepted"), [(0, False), (113, False), (114, True), (201, True), (299, True), (301, False)]
)
def test_a_release_accepts_its_own_schema_and_the_next_ones(current: int, *, accepted: bool) -> None:
    assert SchemaState(current=current, expected=114).is_accepted is accepted


async def migrate_with(url: str, folder: str) -> None:
    """Migrate as a process of its own."""
    schema._DIRECTORY = Path(folder)
    async with opened(url):
        pass


if __name__ == "__main__":
    asyncio.run(migrate_with(*sys.argv[1:]))
