"""The identity of this database: a client that remembers it notices when it is given another."""

from __future__ import annotations

from tenantry.model import ids
from tenantry.storage import tables
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_table = tables.Instance
_GET = Statement(_table.select(_table.id).order_by(_table.id).limit(1))
_INSERT = Statement(_table.insert({"id": arg("id")}))


def ensure(unit: Unit) -> str:
    """The identity; a write unit makes one for a database that has none. Of two made at once the smaller counts."""
    row = unit.execute(_GET).fetchone()
    if row is None:
        unit.execute(_INSERT, id=ids.uuid7())
        row = unit.execute(_GET).fetchone()
    return str(row[0])
