"""Messages to webhooks: their rows."""

from __future__ import annotations

from dataclasses import dataclass

import peewee

from tenantry.model.webhooks import Delivery, DeliveryState, WebhookState
from tenantry.storage import tables
from tenantry.storage.mapping import Rows
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_table, _webhook = tables.WebhookDelivery, tables.Webhook
_rows = Rows(Delivery, _table, read={"state": DeliveryState})
_is_due = (_table.state == str(DeliveryState.PENDING)) & (_table.next_at <= arg("now"))

_GET = Statement(_rows.select.where((_table.id == arg("id")) & (_table.webhook_id == arg("webhook_id"))))
_PAGE = Statement(
    _rows.select.where((_table.webhook_id == arg("webhook_id")) & (_table.id < arg("before")))
    .order_by(_table.id.desc())
    .limit(arg("limit"))
)
_WHO = Statement(
    _table.select(_table.webhook_id, _webhook.tenant_id)
    .join(_webhook, on=(_webhook.id == _table.webhook_id))
    .where(_is_due & (_webhook.state == str(WebhookState.ENABLED)))
    .distinct()
)
_NEXT = Statement(
    _table.select(peewee.fn.MIN(_table.next_at))
    .join(_webhook, on=(_webhook.id == _table.webhook_id))
    .where(
        (_table.state == str(DeliveryState.PENDING))
        & (_table.next_at > arg("now"))
        & (_webhook.state == str(WebhookState.ENABLED))
    )
)
_PENDING = Statement(
    _table.select(
        _table.webhook_id,
        _webhook.tenant_id,
        _webhook.state,
        peewee.fn.COUNT(_table.id),
        peewee.fn.MIN(_table.created_at),
    )
    .join(_webhook, on=(_webhook.id == _table.webhook_id))
    .where(_table.state == str(DeliveryState.PENDING))
    .group_by(_table.webhook_id, _webhook.tenant_id, _webhook.state)
)
_DUE = Statement(
    _rows.select.where(_is_due & (_table.webhook_id == arg("webhook_id")))
    .order_by(_table.next_at, _table.id)
    .limit(arg("limit"))
)
_SAVE = Statement(
    _table.update({getattr(_table, name): arg(name) for name in _rows.names if name != "id"}).where(
        (_table.id == arg("id")) & (_table.tries == arg("before")) & (_table.state == arg("state_before"))
    )
)
_OVER = Statement(
    _table.select(_table.id)
    .where((_table.webhook_id == arg("webhook_id")) & (_table.state != str(DeliveryState.PENDING)))
    .order_by(_table.id.desc())
    .limit(arg("limit"))
    .offset(arg("kept"))
)
_DELETE = Statement(_table.delete().where(_table.id == arg("id")))
_DELETE_ALL = Statement(_table.delete().where(_table.webhook_id == arg("webhook_id")))
_LIMIT = 100
_NEVER = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many messages wait for a webhook, and since when the oldest does, in epoch microseconds."""

    webhook_id: str
    tenant_id: str
    state: WebhookState
    count: int
    since: int


def insert(unit: Unit, delivery: Delivery) -> bool:
    """Add ``delivery``; False when the webhook was to be told of the event already."""
    try:
        unit.execute(_rows.insert, **_rows.values(delivery))
    except peewee.IntegrityError:
        return False
    return True


def get(unit: Unit, webhook_id: str, delivery_id: str) -> Delivery | None:
    """A delivery of that webhook."""
    return _rows.one(unit.execute(_GET, id=delivery_id, webhook_id=webhook_id))


def page(unit: Unit, webhook_id: str, *, before: str = "", limit: int) -> list[Delivery]:
    """At most ``limit`` deliveries of a webhook with ids below ``before``, the newest first."""
    return _rows.all(unit.execute(_PAGE, webhook_id=webhook_id, before=before or "~", limit=limit))


def waiting(unit: Unit, now: int) -> dict[str, str]:
    """The enabled webhooks to which something is to be sent now: id -> identity of the tenant."""
    return dict(unit.execute(_WHO, now=now).fetchall())


def next_due(unit: Unit, now: int) -> int:
    """When something is to be sent next to an enabled webhook, after ``now``; far away when nothing is."""
    found = unit.execute(_NEXT, now=now).fetchone()[0]
    return _NEVER if found is None else int(found)


def pending(unit: Unit) -> list[Waiting]:
    """What waits for each webhook that has something waiting, also for a disabled one."""
    rows = unit.execute(_PENDING).fetchall()
    return [Waiting(identifier, tenant, WebhookState(state), *rest) for identifier, tenant, state, *rest in rows]


def due(unit: Unit, webhook_id: str, now: int, limit: int) -> list[Delivery]:
    """At most ``limit`` of what is to be sent to a webhook now, what has waited longest first."""
    return _rows.all(unit.execute(_DUE, webhook_id=webhook_id, now=now, limit=limit))


def save(unit: Unit, delivery: Delivery, before: Delivery) -> bool:
    """Write ``delivery`` over ``before``; False when another try has ended meanwhile."""
    values = _rows.values(delivery)
    return unit.execute(_SAVE, before=before.tries, state_before=str(before.state), **values).rowcount == 1


def forget(unit: Unit, webhook_id: str, kept: int) -> None:
    """Delete what is over, but for the last ``kept``."""
    for (found,) in unit.execute(_OVER, webhook_id=webhook_id, kept=kept, limit=_LIMIT).fetchall():
        unit.execute(_DELETE, id=found)


def delete_all(unit: Unit, webhook_id: str) -> None:
    """Delete everything of a webhook."""
    unit.execute(_DELETE_ALL, webhook_id=webhook_id)
