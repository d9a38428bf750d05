"""The identity of this database: a client that remembers it notices when it is given another.

The migration that makes its table makes it too.
"""

from __future__ import annotations

from tenantry.storage import tables
from tenantry.storage.statement import Statement
from tenantry.storage.unit import Unit

_GET = Statement(tables.Instance.select(tables.Instance.id))


def read(unit: Unit) -> str:
    """The identity."""
    return str(unit.execute(_GET).fetchone()[0])
