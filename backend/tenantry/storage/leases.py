"""Leases: who may do what only one may do at a time, by conditional UPDATE on the database's clock.

Never GET_LOCK, SKIP LOCKED or a locking read: all three failed across Galera nodes (data.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import peewee

from tenantry.model.errors import Code, TenantryError
from tenantry.storage import tables
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

#: The database's clock in epoch microseconds, the same within one statement.
_NOW = {
    "sqlite": peewee.SQL("CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000"),
    "mysql": peewee.SQL("CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)"),
}


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease held. ``token`` grows with every holder: what it guards refuses a smaller one than it has seen."""

    name: str
    holder: str
    token: int
    expires: int  # epoch microseconds of the database's clock


def _statements(now: peewee.SQL) -> dict[str, Statement]:
    lease = tables.Lease
    mine = (lease.name == arg("name")) & (lease.holder == arg("holder")) & (lease.token == arg("token"))
    until = peewee.NodeList((now, peewee.SQL("+"), arg("microseconds")))
    take = lease.update({lease.holder: arg("holder"), lease.token: lease.token + 1, lease.expires: until})
    first = {lease.name: arg("name"), lease.holder: arg("holder"), lease.token: 1, lease.expires: until}
    read = lease.select(lease.name, lease.holder, lease.token, lease.expires)
    return {
        "insert": Statement(lease.insert(first)),
        "take": Statement(take.where((lease.name == arg("name")) & (lease.expires < now))),
        "renew": Statement(lease.update({lease.expires: until}).where(mine & (lease.expires >= now))),
        "release": Statement(lease.update({lease.expires: 0}).where(mine)),
        "read": Statement(read.where(lease.name == arg("name"))),
    }


_STATEMENTS = {dialect: _statements(now) for dialect, now in _NOW.items()}


def acquire(unit: Unit, name: str, holder: str, seconds: float) -> Lease | None:
    """Take the lease ``name`` for ``seconds`` if nobody holds it; None when somebody does, were it ``holder``."""
    statements = _STATEMENTS[unit.dialect]
    microseconds = int(seconds * 1_000_000)
    taken = unit.execute(statements["take"], name=name, holder=holder, microseconds=microseconds)
    if not taken.rowcount and not _insert(unit, name, holder, microseconds):
        return None
    return get(unit, name)


def renew(unit: Unit, lease: Lease, seconds: float) -> Lease:
    """Hold ``lease`` for ``seconds`` from now.

    Raises:
        TenantryError: ``CONFLICT``, it has expired: stop what it guards.
    """
    renewed = unit.execute(
        _STATEMENTS[unit.dialect]["renew"],
        name=lease.name,
        holder=lease.holder,
        token=lease.token,
        microseconds=int(seconds * 1_000_000),
    )
    held = get(unit, lease.name)
    if not renewed.rowcount or held is None:
        raise TenantryError(Code.CONFLICT, f"the lease {lease.name} has expired")
    return held


def release(unit: Unit, lease: Lease) -> None:
    """Give ``lease`` back; nothing happens when it was lost already."""
    unit.execute(_STATEMENTS[unit.dialect]["release"], name=lease.name, holder=lease.holder, token=lease.token)


def get(unit: Unit, name: str) -> Lease | None:
    """The lease ``name``, whoever holds it and even when it has expired."""
    row = unit.execute(_STATEMENTS[unit.dialect]["read"], name=name).fetchone()
    return Lease(*row) if row else None


def _insert(unit: Unit, name: str, holder: str, microseconds: int) -> bool:
    if get(unit, name) is not None:
        return False
    try:
        unit.execute(_STATEMENTS[unit.dialect]["insert"], name=name, holder=holder, microseconds=microseconds)
    except peewee.IntegrityError:
        return False
    return True
