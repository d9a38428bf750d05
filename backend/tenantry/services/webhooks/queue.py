"""The messages that wait to be sent: as many as may, and what becomes of one that finds no room.

A receiver that is down must not fill the database. So a message that finds as many before it as may wait is never sent
by itself: it is in the delivery log as one that failed, from where it can be sent again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from tenantry import metrics
from tenantry.model import ids
from tenantry.model.webhooks import (
    KEPT,
    WAITING,
    WAITING_OF_PLATFORM,
    WAITING_OF_TENANT,
    Delivery,
    DeliveryState,
    Event,
    Webhook,
)
from tenantry.services.webhooks.audit import WORKER, note
from tenantry.storage import deliveries, webhooks
from tenantry.storage.unit import Unit


class Queue:
    """What waits, as a unit finds it, and counts along while the unit adds to it."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._count: Counter[str] = Counter()
        self._of_tenant: Counter[str] = Counter()
        self._dropping: set[str] = set()
        for each in deliveries.pending(unit):
            self._count[each.webhook_id] = each.count
            self._of_tenant[each.tenant_id] += each.count

    def problem(self, webhook: Webhook) -> str:
        """Why there is no room for another message; empty when there is."""
        tenant, most = webhook.tenant_id, WAITING if webhook.tenant_id else WAITING_OF_PLATFORM
        if self._count[webhook.id] >= most:
            return f"{most} messages wait for the webhook already"
        if tenant and self._of_tenant[tenant] >= WAITING_OF_TENANT:
            return f"{WAITING_OF_TENANT} messages wait for webhooks of the tenant already"
        return ""

    def add(self, webhook: Webhook, event: Event) -> None:
        """Have ``webhook`` told of ``event``, if there is room."""
        why = self.problem(webhook)
        if not why:
            if deliveries.insert(self._unit, message(webhook.id, event)):
                self._count[webhook.id] += 1
                self._of_tenant[webhook.tenant_id] += 1
                self._note_room(webhook)
            return
        dropped = replace(message(webhook.id, event), state=DeliveryState.FAILED, error=f"it was not sent: {why}")
        if deliveries.insert(self._unit, dropped):
            metrics.WEBHOOK_DROPPED.inc()
            deliveries.forget(self._unit, webhook.id, KEPT)
            self._note_drop(webhook, why)

    def _note_drop(self, webhook: Webhook, why: str) -> None:
        if webhook.dropping_since or webhook.id in self._dropping:
            return
        self._dropping.add(webhook.id)
        webhooks.note_dropping(self._unit, webhook.id, ids.now_micros())
        note(self._unit, WORKER, "webhook.drop", webhook, message=why)

    def _note_room(self, webhook: Webhook) -> None:
        """Forget that messages were dropped once half of the room is free: else each that is sent makes a new story."""
        most = WAITING if webhook.tenant_id else WAITING_OF_PLATFORM
        if webhook.dropping_since and self._count[webhook.id] <= most // 2:
            webhooks.note_dropping(self._unit, webhook.id, 0)


def message(webhook_id: str, event: Event) -> Delivery:
    """What tells a webhook of an event, as soon as can be."""
    now = ids.now_micros()
    return Delivery(
        id=ids.uuid7(),
        webhook_id=webhook_id,
        event_id=event.id,
        type=event.type,
        body=event.body,
        next_at=now,
        created_at=now,
    )
