"""Statements that are put off: they are done in their order, and whoever loses is told in time."""

from collections.abc import Callable

import peewee
import pytest
from pymysql.connections import Connection

from tenantry.model.identity import Actor
from tenantry.model.kinds import PLAN, TENANT
from tenantry.services.resources import candidate, transactions
from tenantry.services.resources.candidate import Writer
from tenantry.storage import resources, tables
from tenantry.storage.db import Database
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit
from tests.cluster.databases import DatabaseServer
from tests.storage.samples import NOW, create, tenant
from tests.support.databases import emptied, opened

_claim = tables.Claim
INSERT = Statement(_claim.insert({name: arg(name) for name in ("kind", "value", "uid")}))
MOVE = Statement(_claim.update({_claim.uid: arg("uid")}).where(_claim.value == arg("value")))
READ = Statement(_claim.select(_claim.value, _claim.uid).order_by(_claim.value))
ODD = "it's; 100 % -- of \\ a \"text\"\\' ? :a\r\n\t\N{SNOWMAN}"

Rows = list[tuple[str, str]]


class LostError(Exception):
    """What the tests want to be told."""


def read(unit: Unit) -> Rows:
    return [(str(value), str(uid)) for value, uid in unit.execute(READ).fetchall()]


def put_off(unit: Unit, *values: str, uid: str = "u") -> None:
    for value in values:
        unit.later(INSERT, kind="k", value=value, uid=uid)


async def test_what_was_put_off_is_done_before_the_next_statement(database: Database) -> None:
    def work(unit: Unit) -> Rows:
        put_off(unit, "a", "b")
        unit.later(MOVE, LostError, value="b", uid="v")
        return read(unit)

    assert await database.run(work, write=True) == [("a", "u"), ("b", "v")]


async def test_what_was_put_off_is_done_at_the_end(database: Database) -> None:
    await database.run(put_off, "a", "b", write=True)
    assert await database.run(read) == [("a", "u"), ("b", "u")]


def take(unit: Unit) -> None:
    unit.later(INSERT, LostError, kind="k", value="a", uid="v")


def move(unit: Unit) -> None:
    unit.later(MOVE, LostError, value="nothing", uid="v")


@pytest.mark.parametrize("lose", [take, move])
@pytest.mark.parametrize("goes_on", [True, False])
async def test_who_loses_is_told_and_nothing_stays(
    database: Database, lose: Callable[[Unit], None], *, goes_on: bool
) -> None:
    await database.run(put_off, "a", write=True)

    def work(unit: Unit) -> Rows:
        put_off(unit, "b")
        lose(unit)
        put_off(unit, "c")
        return read(unit) if goes_on else []

    with pytest.raises(LostError):
        await database.run(work, write=True)
    assert await database.run(read) == [("a", "u")]


async def test_an_error_that_nobody_foresaw_is_the_driver_s(database: Database) -> None:
    await database.run(put_off, "a", write=True)
    with pytest.raises(peewee.IntegrityError):
        await database.run(put_off, "b", "a", "c", write=True)
    assert await database.run(read) == [("a", "u")]


async def test_any_text_may_be_put_off_and_however_much(database: Database) -> None:
    async def store(name: str, spec: str) -> None:
        made = await database.run(create, tenant(name, spec=spec), write=True)
        assert await database.run(resources.get, "Tenant", "", name) == made[0]

    await store("odd", ODD)
    await store("large", "x" * 1_000_000 + ODD)
    await database.run(put_off, *(f"{number:03}{'x' * 200}" for number in range(3000)), write=True)
    assert len(await database.run(read)) == 3000


async def test_a_change_goes_to_the_server_and_back_twice(
    database_server: DatabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each way there and back costs more than the statement does, and the clock is locked for one of them."""
    actor, writer = Actor(name="test"), Writer(manager="test", now=NOW)
    meta = {"apiVersion": "tenantry.dev/v1alpha1"}
    plan = meta | {"kind": "Plan", "metadata": {"name": "pro"}, "spec": {"displayName": "Pro"}}
    spec = {"displayName": "Acme", "planRef": {"name": "pro"}}
    acme = meta | {"kind": "Tenant", "metadata": {"name": "acme"}, "spec": spec}
    sent: list[str] = []
    async with opened(await emptied(database_server), threads=1) as database:
        await database.run(transactions.put, actor, candidate.create(PLAN, plan, "", writer), "create", write=True)
        made = candidate.create(TENANT, acme, "", writer)
        stored = await database.run(transactions.put, actor, made, "create", write=True)
        changed = candidate.update(TENANT, {**acme, "spec": {**spec, "displayName": "Acme 2"}}, stored, writer)
        send = Connection._execute_command  # type: ignore[attr-defined]

        def note(connection: Connection, command: int, sql: bytes) -> None:
            sent.append(str(sql))
            send(connection, command, sql)

        monkeypatch.setattr(Connection, "_execute_command", note)
        await database.run(transactions.put, actor, changed, "patch", write=True)
    assert len(sent) == 2, sent
