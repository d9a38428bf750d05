"""Claims: globally unique values (a hostname, a config layer), each held by one resource.

Who asks for a value that another holds is remembered as waiting, so that it can be told when the value is free again.
"""

from __future__ import annotations

import peewee

from tenantry.storage import tables
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_table = tables.Claim
_IS = (_table.kind == arg("kind")) & (_table.value == arg("value"))

_INSERT = Statement(_table.insert({name: arg(name) for name in ("kind", "value", "uid")}))
_OWNER = Statement(_table.select(_table.uid).where(_IS))
_RELEASE = Statement(_table.delete().where(_IS & (_table.uid == arg("uid"))))
_HELD = Statement(
    _table.select(_table.kind, _table.value).where(_table.uid == arg("uid")).order_by(_table.kind, _table.value)
)
_ENDS = peewee.fn.SUBSTR(_table.value, arg("start")) == arg("ending")  # what LIKE matches, the dialects disagree on
_HOLDERS = Statement(_table.select(_table.uid).where((_table.kind == arg("kind")) & _ENDS))
_RELEASE_ALL = Statement(_table.delete().where(_table.uid == arg("uid")))

_waiter = tables.ClaimWaiter
_WAITS = Statement(_waiter.select(_waiter.value).where((_waiter.kind == arg("kind")) & (_waiter.uid == arg("uid"))))
_WAITS_AT_ALL = Statement(_waiter.select(_waiter.value).where(_waiter.uid == arg("uid")).limit(1))
_WAIT = Statement(_waiter.insert({name: arg(name) for name in ("kind", "value", "uid")}))
_WAITERS = Statement(
    _waiter.select(_waiter.uid)
    .where((_waiter.kind == arg("kind")) & (_waiter.value == arg("value")))
    .order_by(_waiter.uid)
)
_GIVE_UP = Statement(
    _waiter.delete().where(
        (_waiter.kind == arg("kind")) & (_waiter.value == arg("value")) & (_waiter.uid == arg("uid"))
    )
)
_GIVE_UP_ALL = Statement(_waiter.delete().where(_waiter.uid == arg("uid")))


def settle(unit: Unit, kind: str, wanted: set[str], uid: str) -> tuple[set[str], set[str]]:
    """Make ``wanted`` all that ``uid`` claims of ``kind``.

    Returns the values that others hold, for which it waits from now on, and the uids that shall try again: those that
    waited for what it gave up, and itself when it has begun to wait, for what it wants may be given up at this moment.
    """
    held = {value for held_kind, value in held_by(unit, uid) if held_kind == kind}
    waiters: set[str] = set()
    for value in sorted(held - wanted):
        release(unit, kind, value, uid)
        waiters |= _waiting_for(unit, kind, value)
    lost = {value for value in sorted(wanted - held) if claim(unit, kind, value, uid) != uid}
    waits = {str(row[0]) for row in unit.execute(_WAITS, kind=kind, uid=uid).fetchall()}
    for value in sorted(waits - lost):
        unit.execute(_GIVE_UP, kind=kind, value=value, uid=uid)
    for value in sorted(lost - waits):
        unit.execute(_WAIT, kind=kind, value=value, uid=uid)
    return lost, waiters | {uid} if lost - waits else waiters


def _waiting_for(unit: Unit, kind: str, value: str) -> set[str]:
    return {str(row[0]) for row in unit.execute(_WAITERS, kind=kind, value=value).fetchall()}


def claim(unit: Unit, kind: str, value: str, uid: str) -> str:
    """Claim ``value`` for ``uid`` unless it is taken, and return the uid of its owner.

    Whoever claims several does so in their sorted order, so that two units never wait for each other.
    """
    owner = find_owner(unit, kind, value)
    if owner is not None:
        return owner
    try:
        unit.execute(_INSERT, kind=kind, value=value, uid=uid)
    except peewee.IntegrityError:
        return find_owner(unit, kind, value) or uid  # a rival's, committed since, which our failed INSERT has locked
    return uid


def find_owner(unit: Unit, kind: str, value: str) -> str | None:
    """The uid that holds ``value``, if one does."""
    row = unit.execute(_OWNER, kind=kind, value=value).fetchone()
    return str(row[0]) if row else None


def release(unit: Unit, kind: str, value: str, uid: str) -> None:
    """Give ``value`` up, if ``uid`` holds it."""
    unit.execute(_RELEASE, kind=kind, value=value, uid=uid)


def held_by(unit: Unit, uid: str) -> list[tuple[str, str]]:
    """What ``uid`` holds, as sorted (kind, value)."""
    return [(str(kind), str(value)) for kind, value in unit.execute(_HELD, uid=uid).fetchall()]


def find_holders(unit: Unit, kind: str, ending: str) -> list[str]:
    """The uids that hold values of ``kind`` with that ending; it reads all of that kind."""
    rows = unit.execute(_HOLDERS, kind=kind, start=-len(ending), ending=ending).fetchall()
    return [str(row[0]) for row in rows]


def is_waiting(unit: Unit, uid: str) -> bool:
    """Whether ``uid`` wants something that another holds, or held a moment ago."""
    return unit.execute(_WAITS_AT_ALL, uid=uid).fetchone() is not None


def find_waiters(unit: Unit, uid: str) -> set[str]:
    """The uids that wait for what ``uid`` holds."""
    return {waiter for kind, value in held_by(unit, uid) for waiter in _waiting_for(unit, kind, value)}


def release_all(unit: Unit, uid: str) -> set[str]:
    """Give up everything that ``uid`` holds or waits for, and return the uids that waited for it."""
    waiters = find_waiters(unit, uid)
    unit.execute(_RELEASE_ALL, uid=uid)
    unit.execute(_GIVE_UP_ALL, uid=uid)
    return waiters
