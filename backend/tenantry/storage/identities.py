"""Identities: their rows."""

from __future__ import annotations

import peewee

from tenantry.model.providers import Identity
from tenantry.storage import tables
from tenantry.storage.mapping import Rows
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_table = tables.Identity
_rows = Rows(Identity, _table)

_GET = Statement(_rows.select.where(_table.id == arg("id")))
_OF_USER = Statement(_rows.select.where(_table.user_id == arg("user_id")).order_by(_table.created_at, _table.id))
_USED = Statement(
    _table.update({_table.last_used_at: arg("at"), _table.email: arg("email")}).where(_table.id == arg("id"))
)
_DELETE = Statement(_table.delete().where((_table.id == arg("id")) & (_table.user_id == arg("user_id"))))


def insert(unit: Unit, identity: Identity) -> bool:
    """Add ``identity``; False when it is somebody's already."""
    try:
        unit.execute(_rows.insert, **_rows.values(identity))
    except peewee.IntegrityError:
        return False
    return True


def get(unit: Unit, identity_id: str) -> Identity | None:
    """The identity of that id."""
    return _rows.one(unit.execute(_GET, id=identity_id))


def of_user(unit: Unit, user_id: str) -> list[Identity]:
    """All identities of the user, the oldest first."""
    return _rows.all(unit.execute(_OF_USER, user_id=user_id))


def note_use(unit: Unit, identity_id: str, email: str, at: int) -> None:
    """Note that somebody has signed in with it, and the address that they have there."""
    unit.execute(_USED, id=identity_id, email=email, at=at)


def delete(unit: Unit, identity_id: str, user_id: str) -> bool:
    """Take it from the user; False when they do not have it."""
    return unit.execute(_DELETE, id=identity_id, user_id=user_id).rowcount == 1
