"""Audit rows: appended in the transaction of what they tell, read newest first."""

from __future__ import annotations

from tenantry.model.audit import AuditEvent, Result
from tenantry.storage import tables
from tenantry.storage.mapping import Rows
from tenantry.storage.statement import insert_rows
from tenantry.storage.unit import Unit

_table = tables.AuditEvent
_rows = Rows(AuditEvent, _table, read={"result": Result})


def append(unit: Unit, *events: AuditEvent) -> None:
    """Write ``events``; those of a change travel with its :class:`~tenantry.storage.changes.PendingChange`."""
    if events:
        statement, values = insert_rows(_table, [_rows.values(event) for event in events])
        unit.execute(statement, **values)


def page(  # noqa: PLR0913 - one keyword per filter
    unit: Unit,
    *,
    tenant_id: str = "",
    kind: str = "",
    namespace: str = "",
    name: str = "",
    actor: str = "",
    before: str = "",
    limit: int = 100,
) -> list[AuditEvent]:
    """Rows with an id below ``before``, newest first; an empty filter lets everything pass."""
    wanted = {"tenant_id": tenant_id, "kind": kind, "namespace": namespace, "name": name, "actor": actor}
    query = _rows.select.order_by(_table.id.desc()).limit(limit)
    for column, value in wanted.items():
        if value:
            query = query.where(getattr(_table, column) == value)
    if before:
        query = query.where(_table.id < before)
    return _rows.all(unit.execute(query))
