"""Audit rows: appended in the transaction of what they tell, read newest first."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from tenantry.model.audit import AuditEvent, Result
from tenantry.storage import tables
from tenantry.storage.statement import insert_rows
from tenantry.storage.unit import Unit

_table = tables.AuditEvent
_NAMES = tuple(field.name for field in dataclasses.fields(AuditEvent))


def append(unit: Unit, *events: AuditEvent) -> None:
    """Write ``events``; those of a change travel with its :class:`~tenantry.storage.changes.PendingChange`."""
    if events:
        statement, values = insert_rows(_table, [dataclasses.asdict(event) for event in events])
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
    query = _table.select(*(getattr(_table, column) for column in _NAMES)).order_by(_table.id.desc()).limit(limit)
    for column, value in wanted.items():
        if value:
            query = query.where(getattr(_table, column) == value)
    if before:
        query = query.where(_table.id < before)
    rows = unit.execute(query).fetchall()
    return [_event(row) for row in rows]


def _event(row: Sequence[Any]) -> AuditEvent:
    columns = dict(zip(_NAMES, row, strict=True))
    return AuditEvent(**{**columns, "result": Result(columns["result"])})
