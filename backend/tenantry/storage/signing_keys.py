"""Signing keys: their rows."""

from __future__ import annotations

from tenantry.model.oauth import SigningKey
from tenantry.storage import tables
from tenantry.storage.mapping import Rows
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_table = tables.SigningKey
_rows = Rows(SigningKey, _table)

_ALL = Statement(_rows.select.order_by(_table.active_from, _table.id))
_ACTIVATE = Statement(_table.update({_table.active_from: arg("at")}).where(_table.id == arg("id")))
_DELETE = Statement(_table.delete().where(_table.id == arg("id")))


def insert(unit: Unit, key: SigningKey) -> None:
    """Add ``key``."""
    unit.execute(_rows.insert, **_rows.values(key))


def all_keys(unit: Unit) -> tuple[SigningKey, ...]:
    """Every key, in the order in which they become active."""
    return tuple(_rows.all(unit.execute(_ALL)))


def activate(unit: Unit, key_id: str, at: int) -> None:
    """Let the key sign from ``at`` on."""
    unit.execute(_ACTIVATE, id=key_id, at=at)


def delete(unit: Unit, key_id: str) -> None:
    """Delete the key: what it has signed is no longer good."""
    unit.execute(_DELETE, id=key_id)
