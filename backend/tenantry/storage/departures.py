"""Departures: objects that their cluster has reported gone, so that no message that was on its way brings one back."""

from __future__ import annotations

from contextlib import suppress

import peewee

from tenantry.storage import tables
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_table = tables.Departure
_IS = (_table.cluster == arg("cluster")) & (_table.uid == arg("uid"))

_INSERT = Statement(_table.insert({name: arg(name) for name in ("cluster", "uid", "at")}))
_GET = Statement(_table.select(_table.at).where(_IS))
_OLD = Statement(
    _table.select(_table.cluster, _table.uid).where(_table.at < arg("before")).order_by(_table.at).limit(arg("limit"))
)
_FORGET = Statement(_table.delete().where(_IS))


def add(unit: Unit, cluster: str, uid: str, at: int) -> None:
    """Note that the object ``uid`` of ``cluster`` is gone; what was noted before stays."""
    if not knows(unit, cluster, uid):
        with suppress(peewee.IntegrityError):
            unit.execute(_INSERT, cluster=cluster, uid=uid, at=at)


def knows(unit: Unit, cluster: str, uid: str) -> bool:
    """Whether the object was reported gone."""
    return unit.execute(_GET, cluster=cluster, uid=uid).fetchone() is not None


def forget(unit: Unit, before: int, limit: int) -> int:
    """Remove at most ``limit`` that were noted before that time, and return how many."""
    old = unit.execute(_OLD, before=before, limit=limit).fetchall()
    for cluster, uid in old:
        unit.execute(_FORGET, cluster=cluster, uid=uid)
    return len(old)
