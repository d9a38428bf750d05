"""Audit rows: appended in the transaction of what they tell, read newest first."""

from __future__ import annotations

import dataclasses

from tenantry.model.audit import EVERYTHING, AuditEvent, Filter, Result
from tenantry.model.ids import first_uuid7
from tenantry.model.resource import Change
from tenantry.storage import tables
from tenantry.storage.mapping import Rows
from tenantry.storage.statement import Statement, arg, insert_rows
from tenantry.storage.unit import Unit

_table = tables.AuditEvent
_rows = Rows(AuditEvent, _table, read={"result": Result})

#: a row is at most so much older than its change: the ids are in the order of time, and the index has them
_SPAN = 3600 * 1_000_000
_OF_CHANGE = Statement(
    _rows.select.where(
        (_table.kind == arg("kind"))
        & (_table.namespace == arg("namespace"))
        & (_table.name == arg("name"))
        & (_table.id > arg("after"))
        & (_table.seq == arg("seq"))
    ).limit(1)
)


def append(unit: Unit, *events: AuditEvent) -> None:
    """Write ``events``; those of a change travel with its :class:`~tenantry.storage.changes.PendingChange`."""
    for statement, values in insert_rows(_table, [_rows.values(event) for event in events]):
        unit.later(statement, **values)


def page(unit: Unit, wanted: Filter = EVERYTHING, *, before: str = "", limit: int = 100) -> list[AuditEvent]:
    """Rows with an id below ``before``, newest first."""
    query = _rows.select.order_by(_table.id.desc()).limit(limit)
    for field in dataclasses.fields(wanted):
        value = getattr(wanted, field.name)
        if value:
            query = query.where(getattr(_table, field.name) == value)
    if before:
        query = query.where(_table.id < before)
    return _rows.all(unit.execute(query))


def of_change(unit: Unit, change: Change) -> AuditEvent | None:
    """The row that was written with ``change``, if somebody has made it."""
    found = unit.execute(
        _OF_CHANGE,
        kind=change.kind,
        namespace=change.namespace,
        name=change.name,
        after=first_uuid7(change.at - _SPAN),
        seq=change.seq,
    )
    return _rows.one(found)
