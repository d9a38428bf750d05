"""Work: objects to be looked at again because of another object, done in batches by one leased worker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import peewee

from tenantry.storage import tables
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

#: The kind of work that computes the status of the resource whose uid is the key.
STATUS = "status"
#: The kind of work that asks for the status of every Tenant on the plan whose name is the key.
USERS = "users"
#: The kind of work that invites the first administrators of the Tenant whose uid is the key.
ADMINS = "admins"

_table, _resource = tables.Work, tables.Resource
_ROW = (_table.kind, _table.key, _table.version, _table.added_at)

_TAKE = Statement(
    _table.select(_table.key, _table.version, _table.added_at)
    .where(_table.kind == arg("kind"))
    .order_by(_table.added_at, _table.key)
    .limit(arg("limit"))
)
_FINISH = Statement(
    _table.delete().where(
        (_table.kind == arg("kind")) & (_table.key == arg("key")) & (_table.version == arg("version"))
    )
)
_DEPTH = Statement(_table.select(peewee.fn.COUNT(peewee.SQL("*"))).where(_table.kind == arg("kind")))


@dataclass(frozen=True, slots=True)
class Item:
    """One object to look at; ``version`` grows when it is asked for again."""

    key: str
    version: int
    added_at: int  # epoch microseconds, of the first time


def add(unit: Unit, kind: str, keys: Sequence[str], at: int) -> None:
    """Ask for ``keys``; one that waits already, or is being worked on, will be looked at after now."""
    if keys:
        rows = [(kind, key, 1, at) for key in sorted(keys)]
        unit.later(_again(unit, _table.insert_many(rows, fields=_ROW)))


def add_users_of_plan(unit: Unit, plan: str, at: int) -> None:
    """Ask for the status of every Tenant that refers to ``plan``, in one statement however many they are."""
    users = _resource.select(peewee.Value(STATUS), _resource.uid, peewee.Value(1), peewee.Value(at)).where(
        (_resource.kind == "Tenant") & (_resource.plan == plan)
    )
    unit.later(_again(unit, _table.insert_from(users, fields=_ROW)))


def take(unit: Unit, kind: str, limit: int) -> list[Item]:
    """The ``limit`` items that have waited longest; they stay until :func:`finish`."""
    return [Item(*row) for row in unit.execute(_TAKE, kind=kind, limit=limit).fetchall()]


def finish(unit: Unit, kind: str, items: Iterable[Item]) -> None:
    """Remove ``items``, except those that were asked for again since they were taken."""
    for item in items:
        unit.later(_FINISH, kind=kind, key=item.key, version=item.version)


def begin(unit: Unit, kind: str, item: Item) -> bool:
    """Remove ``item``, which this unit is about to do; False when another does it, or it was asked for again.

    As the first statement of a unit it waits for another that does the same, and what is read then has its results.
    """
    return unit.execute(_FINISH, kind=kind, key=item.key, version=item.version).rowcount == 1


def depth(unit: Unit, kind: str) -> int:
    """How many items wait."""
    return int(unit.execute(_DEPTH, kind=kind).fetchone()[0])


def _again(unit: Unit, query: peewee.Insert) -> peewee.Insert:
    update = {_table.version: _table.version + 1}
    if unit.dialect == "mysql":
        return query.on_conflict(update=update)
    return query.on_conflict(conflict_target=(_table.kind, _table.key), update=update)
