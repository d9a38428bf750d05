"""Webhooks: their rows, whose secrets are encrypted, and how far in the change log they were told."""

from __future__ import annotations

import peewee

from tenantry.model.webhooks import Webhook, WebhookState
from tenantry.storage import tables
from tenantry.storage.mapping import Rows, read_list
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_table, _clock = tables.Webhook, tables.Clock
_rows = Rows(Webhook, _table, read={"events": read_list, "state": WebhookState})
_CURSOR = "webhooks"

_GET = Statement(_rows.select.where(_table.id == arg("id")))
_PAGE = Statement(
    _rows.select.where((_table.tenant_id == arg("tenant_id")) & (_table.id > arg("after")))
    .order_by(_table.id)
    .limit(arg("limit"))
)
_COUNT = Statement(
    _table.select(peewee.fn.COUNT(_table.id)).where(_table.tenant_id == arg("tenant_id"))
)  # fmt: skip
_ENABLED = Statement(_rows.select.where(_table.state == str(WebhookState.ENABLED)).order_by(_table.id))
_UPDATE = Statement(
    _table.update({getattr(_table, name): arg(name) for name in _rows.names if name != "id"}).where(
        (_table.id == arg("id")) & (_table.updated_at == arg("before"))
    )
)
_FAILING = Statement(
    _table.update({_table.failing_since: arg("at")}).where((_table.id == arg("id")) & (_table.failing_since == 0))
)
_WELL = Statement(
    _table.update({_table.failing_since: 0}).where((_table.id == arg("id")) & (_table.failing_since != 0))
)  # fmt: skip
_DROPPING = Statement(_table.update({_table.dropping_since: arg("at")}).where(_table.id == arg("id")))
_DELETE = Statement(_table.delete().where(_table.id == arg("id")))
_OF_TENANT = Statement(_table.select(_table.id).where(_table.tenant_id == arg("tenant_id")))
_READ_CURSOR = Statement(_clock.select(_clock.seq).where(_clock.name == _CURSOR))
_MOVE_CURSOR = Statement(
    _clock.update({_clock.seq: arg("seq")}).where((_clock.name == _CURSOR) & (_clock.seq == arg("before")))
)


def insert(unit: Unit, webhook: Webhook) -> None:
    """Add ``webhook``."""
    unit.execute(_rows.insert, **_rows.values(webhook))


def get(unit: Unit, webhook_id: str) -> Webhook | None:
    """The webhook of that id."""
    return _rows.one(unit.execute(_GET, id=webhook_id))


def page(unit: Unit, *, tenant_id: str, after: str = "", limit: int) -> list[Webhook]:
    """At most ``limit`` webhooks of a tenant, or of the platform, with ids beyond ``after``, in their order."""
    return _rows.all(unit.execute(_PAGE, tenant_id=tenant_id, after=after, limit=limit))


def count(unit: Unit, tenant_id: str) -> int:
    """How many the tenant has, or the platform."""
    return int(unit.execute(_COUNT, tenant_id=tenant_id).fetchone()[0])


def enabled(unit: Unit) -> list[Webhook]:
    """All that are told something."""
    return _rows.all(unit.execute(_ENABLED))


def update(unit: Unit, webhook: Webhook, before: Webhook) -> bool:
    """Write ``webhook`` over ``before``, with a later ``updated_at``; False when another was faster."""
    return unit.execute(_UPDATE, before=before.updated_at, **_rows.values(webhook)).rowcount == 1


def note_try(unit: Unit, webhook_id: str, at: int, *, good: bool) -> None:
    """Note that a try was good, or that none has been since ``at``."""
    if good:
        unit.execute(_WELL, id=webhook_id)
    else:
        unit.execute(_FAILING, id=webhook_id, at=at)


def note_dropping(unit: Unit, webhook_id: str, at: int) -> None:
    """Note that messages are dropped since ``at``; 0 for no more."""
    unit.execute(_DROPPING, id=webhook_id, at=at)


def delete(unit: Unit, webhook_id: str) -> bool:
    """Take the webhook away; False when there is none."""
    return unit.execute(_DELETE, id=webhook_id).rowcount == 1


def of_tenant(unit: Unit, tenant_id: str) -> list[str]:
    """The ids of all that the tenant has."""
    return [row[0] for row in unit.execute(_OF_TENANT, tenant_id=tenant_id).fetchall()]


def cursor(unit: Unit) -> int:
    """The seq up to which every change was told."""
    return int(unit.execute(_READ_CURSOR).fetchone()[0])


def move_cursor(unit: Unit, seq: int, before: int) -> bool:
    """Note that everything up to ``seq`` was told; False when another has moved the cursor from ``before``."""
    return unit.execute(_MOVE_CURSOR, seq=seq, before=before).rowcount == 1
