"""Invites: their rows, without any secret."""

from __future__ import annotations

from collections.abc import Iterable

import peewee

from tenantry.model.identity import Invite
from tenantry.model.permissions import Role
from tenantry.storage import tables
from tenantry.storage.mapping import Rows
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_table = tables.Invite
_rows = Rows(Invite, _table, read={"role": Role, "mailed": bool, "listed": bool})
_is_open = (_table.accepted_at == 0) & (_table.revoked_at == 0)
_waits = (_table.id == arg("id")) & _is_open

_GET = Statement(_rows.select.where(_table.id == arg("id")))
_PAGE = Statement(
    _rows.select.where((_table.tenant_id == arg("tenant_id")) & (_table.id > arg("after")))
    .order_by(_table.id)
    .limit(arg("limit"))
)
_COUNT = Statement(
    _table.select(peewee.fn.COUNT(_table.id)).where(
        (_table.tenant_id == arg("tenant_id")) & _is_open & (_table.expires_at > arg("now"))
    )
)
_LOST = Statement(
    _table.select(peewee.fn.COUNT(_table.id)).where(
        (_table.tenant_id == arg("tenant_id"))
        & (_table.listed == 1)
        & _is_open
        & ((_table.mailed == 0) | (_table.expires_at <= arg("now")))
    )
)
_LISTED = Statement(
    _rows.select.where((_table.tenant_id == arg("tenant_id")) & (_table.listed == 1) & _is_open).order_by(_table.id)
)
_JOINED = Statement(
    _table.select(_table.email, _table.accepted_at).where(
        (_table.tenant_id == arg("tenant_id")) & (_table.accepted_by == arg("user_id"))
    )
)
_ACCEPT = Statement(
    _table.update({_table.accepted_at: arg("at"), _table.accepted_by: arg("user_id")}).where(
        _waits & (_table.expires_at > arg("at"))
    )
)
_FORGET = Statement(_table.delete().where(_table.tenant_id == arg("tenant_id")))
_REVOKE = Statement(_table.update({_table.revoked_at: arg("at")}).where(_waits))


def insert(unit: Unit, invite: Invite) -> None:
    """Add ``invite``; its id is random, and never one in use."""
    unit.execute(_rows.insert, **_rows.values(invite))


def get(unit: Unit, invite_id: str) -> Invite | None:
    """The invite of that id, also when it cannot be accepted any more."""
    return _rows.one(unit.execute(_GET, id=invite_id))


def page(unit: Unit, *, tenant_id: str, after: str = "", limit: int) -> list[Invite]:
    """At most ``limit`` invites of a tenant with ids beyond ``after``, in their order."""
    return _rows.all(unit.execute(_PAGE, tenant_id=tenant_id, after=after, limit=limit))


def count(unit: Unit, tenant_id: str, now: int) -> int:
    """How many of the tenant can be accepted at ``now``, in epoch microseconds."""
    return int(unit.execute(_COUNT, tenant_id=tenant_id, now=now).fetchone()[0])


def count_lost(unit: Unit, tenant_id: str, now: int) -> int:
    """How many of listed addresses wait whose link nobody has had, or nobody can use any more."""
    return int(unit.execute(_LOST, tenant_id=tenant_id, now=now).fetchone()[0])


def listed(unit: Unit, tenant_id: str) -> list[Invite]:
    """Those of listed addresses that were neither accepted nor taken back, the expired ones too."""
    return _rows.all(unit.execute(_LISTED, tenant_id=tenant_id))


def invited(unit: Unit, tenant_id: str, emails: Iterable[str]) -> set[str]:
    """Which of ``emails`` were ever invited to the tenant, whatever became of it."""
    query = _table.select(_table.email).where((_table.tenant_id == tenant_id) & _table.email.in_(list(emails)))
    return {row[0] for row in unit.execute(query).fetchall()}


def of_person(unit: Unit, tenant_id: str, user_id: str, email: str) -> list[Invite]:
    """Those to the tenant that wait for the user: at ``email``, or made before they joined by one to the same address.

    Whoever has had a link may have those before it; one that is made later may be for whom the address belongs to.
    """
    joined = unit.execute(_JOINED, tenant_id=tenant_id, user_id=user_id).fetchall()
    theirs = _table.email == email
    for address, accepted_at in joined:
        theirs |= (_table.email == address) & (_table.created_at <= accepted_at)
    return _rows.all(unit.execute(_rows.select.where((_table.tenant_id == tenant_id) & _is_open & theirs)))


def accept(unit: Unit, invite_id: str, user_id: str, at: int) -> bool:
    """Use the invite up for ``user_id``; False when it was accepted, was revoked or has expired."""
    return unit.execute(_ACCEPT, id=invite_id, user_id=user_id, at=at).rowcount == 1


def revoke(unit: Unit, invite_id: str, at: int) -> bool:
    """Take the invite back; False when it was accepted or taken back already."""
    return unit.execute(_REVOKE, id=invite_id, at=at).rowcount == 1


def forget(unit: Unit, tenant_id: str) -> None:
    """Delete all invites of the tenant."""
    unit.execute(_FORGET, tenant_id=tenant_id)
