"""The identity of this database: a client that remembers it notices when it is given another."""

from __future__ import annotations

from tenantry.model import ids
from tenantry.storage import tables
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_table = tables.Instance
_GET = Statement(_table.select(_table.id).order_by(_table.id).limit(1))
_INSERT = Statement(_table.insert({"id": arg("id")}))


def read(unit: Unit) -> str:
    """The identity, empty for a database that nobody has asked for it yet. Of two made at once the smaller counts."""
    row = unit.execute(_GET).fetchone()
    return str(row[0]) if row else ""


def ensure(unit: Unit) -> str:
    """The identity, made if there is none."""
    found = read(unit)
    if not found:
        unit.execute(_INSERT, id=ids.uuid7())
        found = read(unit)
    return found
