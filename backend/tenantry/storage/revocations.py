"""What is good no more before it expires: ids of tokens and grants that were taken back, and of spent assertions."""

from __future__ import annotations

import peewee

from tenantry.model.oauth import Revocation
from tenantry.storage import tables
from tenantry.storage.expiry import Expiry
from tenantry.storage.mapping import Rows
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_table = tables.Revocation
_rows = Rows(Revocation, _table)

_GET = Statement(_rows.select.where(_table.id == arg("id")))
_expiry = Expiry(_table.id, _table.expires_at)


def add(unit: Unit, revocation: Revocation) -> bool:
    """Note it; False when that was done before."""
    if get(unit, revocation.id):
        return False
    try:
        unit.execute(_rows.insert, **_rows.values(revocation))
    except peewee.IntegrityError:
        return False
    return True


def get(unit: Unit, identifier: str) -> Revocation | None:
    """The revocation of that token or grant, if there is one."""
    return _rows.one(unit.execute(_GET, id=identifier))


def forget_expired(unit: Unit, at: int, limit: int) -> int:
    """Remove at most ``limit`` revocations that are of no use any more by ``at``, and return how many."""
    return _expiry.forget(unit, at, limit)
