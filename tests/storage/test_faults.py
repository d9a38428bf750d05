"""What a unit does when its server, its connection or its luck fails: on MariaDB and on MySQL 9.7."""

import asyncio
import math
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import pymysql
import pytest

from tenantry import metrics
from tenantry.model.errors import Code, TenantryError
from tenantry.storage import changes, idempotency, mysql, resources, work
from tenantry.storage.connection import Bound, Cursor, MySQLConnection
from tenantry.storage.db import Database
from tenantry.storage.idempotency import Answer
from tenantry.storage.unit import Unit
from tests.cluster.databases import DatabaseServer, MariaDB
from tests.cluster.pki import make_pki
from tests.storage.samples import NOW, create, tenant
from tests.support.databases import emptied, opened


def connection_id(unit: Unit) -> int:
    return int(unit.database.run("SELECT CONNECTION_ID()").fetchone()[0])


async def all_connections(database: Database, threads: int) -> set[int]:
    """The ids of the connections of every thread."""
    together = threading.Barrier(threads)

    def meet(unit: Unit) -> int:
        together.wait(20)
        return connection_id(unit)

    return set(await asyncio.gather(*(database.run(meet) for _ in range(threads))))


def kill(server: DatabaseServer, *ids: int) -> None:
    server.sql("".join(f"KILL {number};" for number in ids))


@contextmanager
def frozen(server: DatabaseServer) -> Iterator[None]:
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


def cut_in_commit(server: DatabaseServer, *, committed: bool) -> Callable[..., Iterator[Cursor]]:
    """What runs statements, and loses the connection before or after those of which the last is COMMIT."""
    original = MySQLConnection.run_all

    def run_all(connection: MySQLConnection, statements: Iterable[Bound]) -> Iterator[Cursor]:
        bound = list(statements)
        if bound[-1] == ("COMMIT", ()):
            if committed:
                for _ in original(connection, bound):
                    pass
            kill(server, int(connection.driver.thread_id()))
        return original(connection, bound)

    return run_all


def retries(code: int) -> float:
    return metrics.REGISTRY.get_sample_value("tenantry_db_retries_total", {"code": str(code)}) or 0


async def test_reads_do_not_notice_that_every_connection_was_killed(database_server: DatabaseServer) -> None:
    async with opened(await emptied(database_server), threads=4) as database:
        await database.run(create, tenant("acme"), write=True)
        before = await all_connections(database, 4)
        kill(database_server, *before)
        found = await asyncio.gather(*(database.run(resources.get, "Tenant", "", "acme") for _ in range(16)))
        assert {item.name for item in found if item} == {"acme"}
        assert len(found) == 16
        assert not before & await all_connections(database, 4)


async def test_a_unit_cut_in_mid_transaction_is_run_again_with_one_effect(database_server: DatabaseServer) -> None:
    attempts: list[int] = []

    def cut(unit: Unit) -> None:
        attempts.append(connection_id(unit))
        work.add(unit, "test", ["key"], NOW)
        if len(attempts) == 1:
            kill(database_server, attempts[0])
        create(unit, tenant("acme"))

    async with opened(await emptied(database_server)) as database:
        await database.run(cut, write=True)
        assert len(set(attempts)) == 2
        assert [item.version for item in await database.run(work.take, "test", 10)] == [1]
        assert await database.run(changes.current_seq) == 1
        assert len(await database.run(changes.read, 0, 10)) == 1


async def test_a_unit_cut_in_its_commit_is_not_run_again(
    database_server: DatabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[int] = []

    def once(unit: Unit) -> None:
        attempts.append(connection_id(unit))
        work.add(unit, "test", ["key"], NOW)

    async with opened(await emptied(database_server)) as database:
        monkeypatch.setattr(MySQLConnection, "run_all", cut_in_commit(database_server, committed=False))
        with pytest.raises(TenantryError) as unknown:
            await database.run(once, write=True)
        assert (unknown.value.code, unknown.value.retry_after) == (Code.TIMEOUT, 1)
        monkeypatch.undo()
        assert len(attempts) == 1
        await database.run(once, write=True)
        assert len(set(attempts)) == 2


async def test_what_the_server_refuses_before_it_comes_to_commit_is_tried_again(
    database_server: DatabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, refusals = MySQLConnection.run_all, iter([pymysql.OperationalError(1290, "read-only")])

    def refuse_once(connection: MySQLConnection, statements: Iterable[Bound]) -> Iterator[Cursor]:
        bound = list(statements)
        if bound[-1] == ("COMMIT", ()) and (refusal := next(refusals, None)):
            raise refusal
        yield from original(connection, bound)

    async with opened(await emptied(database_server)) as database:
        monkeypatch.setattr(MySQLConnection, "run_all", refuse_once)
        (stored,) = await database.run(create, tenant("acme"), write=True)
        assert stored.seq == 1
        assert next(refusals, None) is None


@pytest.mark.parametrize("committed", [True, False])
async def test_an_idempotency_key_makes_a_cut_commit_repeatable(
    database_server: DatabaseServer, monkeypatch: pytest.MonkeyPatch, *, committed: bool
) -> None:
    def answer(unit: Unit) -> Answer:
        stored = idempotency.begin(unit, "k" * 64, "r" * 64, at=NOW, expires_at=NOW + 1)
        if stored is not None:
            return stored
        (created,) = create(unit, tenant("acme"))
        new = Answer(201, str(created.seq))
        idempotency.finish(unit, "k" * 64, new)
        return new

    async with opened(await emptied(database_server)) as database:
        monkeypatch.setattr(MySQLConnection, "run_all", cut_in_commit(database_server, committed=committed))
        with pytest.raises(TenantryError) as unknown:
            await database.run(answer, write=True)
        assert unknown.value.code is Code.TIMEOUT
        monkeypatch.undo()
        assert await database.run(changes.current_seq) == int(committed)
        assert await database.run(answer, write=True) == Answer(201, "1")
        assert await database.run(changes.current_seq) == 1


async def test_a_storm_of_deadlocks_loses_nothing_and_repeats_nothing(database_server: DatabaseServer) -> None:
    keys = ["a", "b"]

    def crosswise(unit: Unit, order: list[str]) -> None:
        for key in order:
            work.add(unit, "test", [key], NOW)

    async with opened(await emptied(database_server)) as database:
        await database.run(crosswise, keys, write=True)
        before = retries(1213)
        orders = [random.sample(keys, len(keys)) for _ in range(300)]
        results = []
        for start in range(0, len(orders), 60):
            units = (database.run(crosswise, order, write=True) for order in orders[start : start + 60])
            results += await asyncio.gather(*units, return_exceptions=True)
        failed = [result for result in results if result is not None]
        assert all(isinstance(error, TenantryError) and error.code is Code.UNAVAILABLE for error in failed)
        assert retries(1213) > before
        done = await database.run(work.take, "test", 10)
        assert {item.version for item in done} == {1 + len(orders) - len(failed)}
        assert len(failed) < len(orders)


async def test_a_frozen_server_fails_all_threads_at_once_and_none_for_ever(
    database_server: DatabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql, "ANSWER_SECONDS", 2)  # longer than readiness may take, so that it is that which ends
    async with opened(await emptied(database_server), threads=8) as database:
        await all_connections(database, 4)  # so half of the threads must connect, and half wait for an answer
        with frozen(database_server):
            async with asyncio.timeout(6):  # one after the other they would take 16 s
                results = await asyncio.gather(
                    *(database.run(changes.current_seq, timeout=0.5) for _ in range(8)), return_exceptions=True
                )
            codes = {result.code for result in results if isinstance(result, TenantryError)}
            assert codes == {Code.UNAVAILABLE}
            assert len(results) == 8
            with pytest.raises(TenantryError, match="did not answer within 1 s"):
                await database.ready()
        assert await database.run(changes.current_seq) == 0
        await database.ready()


async def test_a_frozen_server_holds_nobody_beyond_the_deadline(database_server: DatabaseServer) -> None:
    async with opened(await emptied(database_server), threads=4) as database:
        with frozen(database_server):
            # who comes after somebody who reads, or who writes, waits no longer than they do
            for code, seconds in product((Code.UNAVAILABLE, Code.TIMEOUT), (2, 1)):
                with pytest.raises(TenantryError, match=f"did not answer within {seconds} s") as late:
                    await database.run(changes.current_seq, write=code is Code.TIMEOUT, timeout=2.0)
                assert (late.value.code, late.value.retry_after) == (code, 1)
            waiting = asyncio.create_task(database.administer(changes.current_seq))
            await asyncio.sleep(0)
        assert await waiting == 0


async def test_only_a_migration_waits_for_an_answer_for_as_long_as_it_takes(
    database_server: DatabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql, "ANSWER_SECONDS", 0.2)
    async with opened(await emptied(database_server)) as database:
        await assert_only_a_migration_waits(database)


async def test_a_server_that_is_away_is_unavailable_until_it_is_back(database_server: DatabaseServer) -> None:
    async with opened(await emptied(database_server)) as database:
        await database.run(create, tenant("acme"), write=True)
        database_server.kill9()
        for write in (False, True):
            with pytest.raises(TenantryError) as away:
                await database.run(changes.current_seq, write=write)
            assert (away.value.code, away.value.retry_after) == (Code.UNAVAILABLE, 1)
            assert "tenantry-test" not in str(away.value)  # the password
        with pytest.raises(TenantryError):
            await database.ready()
        database_server.restart()
        assert await database.run(changes.current_seq) == 1
        await database.ready()


async def test_a_missing_database_is_told_in_one_line(database_server: DatabaseServer) -> None:
    database = await Database.open(database_server.url("nowhere"))
    try:
        for attempt in (database.ready(), database.run(changes.current_seq)):
            with pytest.raises(TenantryError) as missing:
                await attempt
            assert str(missing.value) == (
                f"127.0.0.1:{database_server.port} has no database 'nowhere': "
                "CREATE DATABASE `nowhere` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
            )
            assert missing.value.code is Code.UNAVAILABLE
    finally:
        await database.close()


async def test_a_user_who_is_not_let_in_is_told_which_setting_to_change(database_server: DatabaseServer) -> None:
    database_server.create_database("closed")
    database_server.sql("DROP USER IF EXISTS 'guest'@'%'; CREATE USER 'guest'@'%' IDENTIFIED BY 'right';")
    at = f"127.0.0.1:{database_server.port}"
    for password, said in (
        ("wrong", "refuses our user or its password (error 1045): see TENANTRY_DATABASE_URL and TENANTRY_DATABASE_"),
        ("right", "keeps our user out of 'closed' (error 1044): GRANT ALL ON `closed`.* to the user of TENANTRY_DATA"),
    ):
        database = await Database.open(f"mysql://guest:{password}@{at}/closed")
        try:
            with pytest.raises(TenantryError) as refused:
                await database.ready()
        finally:
            await database.close()
        assert str(refused.value).startswith(f"the database at {at} {said}")
        assert refused.value.code is Code.UNAVAILABLE


async def test_an_old_connection_is_replaced(database_server: DatabaseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(await emptied(database_server), threads=1) as database:
        first = await database.run(connection_id)
        assert await database.run(connection_id) == first
    monkeypatch.setattr(mysql, "MAX_AGE_SECONDS", 0)
    async with opened(await emptied(database_server), threads=1) as database:
        first = await database.run(connection_id)
        assert await database.run(connection_id) != first


async def test_a_session_is_strict_and_in_utc(database_server: DatabaseServer) -> None:
    def read(unit: Unit) -> tuple[object, ...]:
        isolation = "transaction_isolation" if "mysql" in database_server.name else "tx_isolation"
        variables = ("time_zone", "innodb_lock_wait_timeout", isolation, "character_set_connection")
        row: tuple[object, ...] = unit.database.run(f"SELECT {', '.join(f'@@{name}' for name in variables)}").fetchone()
        return row

    def overflow(unit: Unit) -> None:
        work.add(unit, "test", ["x" * 254], NOW)

    async with opened(await emptied(database_server)) as database:
        assert await database.run(read) == ("+00:00", 5, "READ-COMMITTED", "utf8mb4")
        with pytest.raises(Exception, match="Data too long for column 'key'"):
            await database.run(overflow, write=True)


async def assert_only_a_migration_waits(database: Database) -> None:
    def rewrite(unit: Unit) -> str:
        return str(unit.database.run("SELECT SLEEP(0.6), 'done'").fetchone()[1])

    for _ in range(2):
        assert await database.administer(rewrite, timeout=math.inf) == "done"
        with pytest.raises(TenantryError) as cut:
            await database.administer(rewrite, timeout=3.0)
        assert cut.value.code is Code.UNAVAILABLE


@pytest.mark.database
async def test_a_server_is_believed_by_its_certificate_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    make_pki(ours)
    make_pki(theirs)
    options = [f"--ssl-ca={ours}/ca.crt", f"--ssl-cert={ours}/apiserver.crt", f"--ssl-key={ours}/apiserver.key"]
    with MariaDB(options=options) as server:
        url = await emptied(server)
        async with opened(f"{url}?ssl-ca={ours}/ca.crt") as database:
            cipher = await database.run(lambda unit: unit.database.run("SHOW STATUS LIKE 'Ssl_cipher'").fetchone()[1])
            assert cipher.startswith("TLS")
        monkeypatch.setattr(mysql, "ANSWER_SECONDS", 0.2)
        async with opened(f"{url}?ssl-ca={ours}/ca.crt") as database:
            await assert_only_a_migration_waits(database)
        monkeypatch.undo()
        stranger = await Database.open(f"{url}?ssl-ca={theirs}/ca.crt")
        with pytest.raises(TenantryError) as refused:
            await stranger.run(changes.current_seq)
        assert refused.value.code is Code.UNAVAILABLE
        assert "has a certificate that is not for 127.0.0.1, or that ssl-ca did not sign" in str(refused.value)
        await stranger.close()


async def test_only_the_name_itself_is_found(database_server: DatabaseServer) -> None:
    async with opened(await emptied(database_server)) as database:
        await database.run(create, tenant("acme"), write=True)
        for name in ("acmé", "ACME", "acme ", "acme\N{ROCKET}"):
            assert await database.run(resources.get, "Tenant", "", name) is None
