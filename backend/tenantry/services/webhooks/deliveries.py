"""Sends messages to webhooks: at least once, in tries further and further apart, each webhook for itself.

What is to be sent stands in the database, so that nothing is lost when the process ends: a message whose answer was not
noted is sent again, and a receiver knows it by its id.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from tenantry import metrics
from tenantry.model import ids
from tenantry.model.credentials import redact
from tenantry.model.errors import TenantryError
from tenantry.model.webhooks import (
    DELAYS,
    EXCERPT,
    KEPT,
    TRIES,
    Delivery,
    DeliveryState,
    Webhook,
    WebhookState,
    sign,
)
from tenantry.services.encryption import Encryption
from tenantry.services.outbound import OutboundError, Outbounds
from tenantry.services.webhooks import events
from tenantry.services.webhooks.audit import WORKER, note
from tenantry.services.webhooks.registry import context
from tenantry.storage import deliveries, webhooks
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

#: messages on their way to one webhook at the same time, and webhooks that are sent to at the same time, of all tenants
#: and of one, or of the platform: receivers that hang keep none but their own tenant's waiting
AT_ONCE = 4
WEBHOOKS_AT_ONCE = 64
WEBHOOKS_OF_ONE = 8
REST = 5.0  # seconds, when the database does not take what came of a try
_GONE = 410
#: how long tries last at least, with their jitter: who has taken nothing for so long takes nothing any more
_LONGEST_US = int(sum(DELAYS) * 0.8) * 1_000_000

log = logging.getLogger(__name__)


class Deliveries:
    """Sends what waits, for the one worker that holds the lease."""

    def __init__(self, db: Database, encryption: Encryption, outbounds: Outbounds) -> None:
        self._db = db
        self._encryption = encryption
        self._outbounds = outbounds
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._places: Counter[str] = Counter()  # how many of them are each tenant's
        self._others_wait = False  # there are more than may be sent to at the same time
        self._turns: dict[str, float] = {}  # of those that wait, when each was sent to last
        self._due_at = 0  # when something is to be sent next, in epoch microseconds

    def is_due(self) -> bool:
        """Whether there is something to send by now, as far as can be told without asking the database."""
        return ids.now_micros() >= self._due_at

    async def work(self) -> None:
        """Queue what has happened, and begin to send what waits; who is still being sent to is left alone."""
        more = await self._db.run(events.is_behind)
        while more:  # and not until nobody writes, which may be never
            more = await self._db.run(events.tell, write=True)
        now, left = ids.now_micros(), False
        self._others_wait = False
        waiting = await self._db.run(deliveries.waiting, now)
        self._turns = {identifier: self._turns.get(identifier, 0.0) for identifier in waiting}
        for identifier in sorted(waiting, key=self._turns.__getitem__):
            if identifier in self._sending:
                left = True
            elif len(self._sending) >= WEBHOOKS_AT_ONCE or self._places[waiting[identifier]] >= WEBHOOKS_OF_ONE:
                left = self._others_wait = True
            else:
                self._turns[identifier] = time.monotonic()
                self._places[waiting[identifier]] += 1
                self._sending[identifier] = asyncio.create_task(self._send_all(identifier, waiting[identifier]))
        self._due_at = now if left else await self._db.run(deliveries.next_due, now)

    async def measure(self) -> None:
        """Say how much waits for webhooks that are sent to, and for how long."""
        waiting = [each for each in await self._db.run(deliveries.pending) if each.state is WebhookState.ENABLED]
        metrics.WEBHOOK_PENDING.value = sum(each.count for each in waiting)
        metrics.WEBHOOK_OLDEST.since = min((each.since for each in waiting), default=0) / 1_000_000

    @staticmethod
    def rest() -> None:
        """Say nothing of what waits: another process sends it now."""
        metrics.WEBHOOK_PENDING.value = 0
        metrics.WEBHOOK_OLDEST.since = 0.0

    async def close(self) -> None:
        """Stop sending; what was not answered is sent again."""
        tasks = list(self._sending.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _send_all(self, identifier: str, tenant_id: str) -> None:
        try:
            while await self._send_some(identifier) and not self._others_wait:
                pass  # and else it waits for its next turn
        except TenantryError as error:
            log.warning("webhook %s waits: %s", identifier, error.message)
            await asyncio.sleep(REST)  # else it would be sent the same again and again
            self._due_at = 0
        finally:
            del self._sending[identifier]
            self._places[tenant_id] -= 1
            self._places += Counter()  # those that are at nothing go

    async def _send_some(self, identifier: str) -> bool:
        """Send what waits, as much as may be on its way at once; whether there was any."""
        webhook = await self._db.run(webhooks.get, identifier)
        if webhook is None or webhook.state is not WebhookState.ENABLED:
            return False
        batch = await self._db.run(deliveries.due, identifier, ids.now_micros(), AT_ONCE)
        ended = await asyncio.gather(*(self._send(webhook, each) for each in batch), return_exceptions=True)
        for error in filter(None, ended):
            raise error
        return bool(batch)

    async def _send(self, webhook: Webhook, delivery: Delivery) -> None:
        now, started = ids.now_micros(), time.monotonic()
        status, error, excerpt, outcome = 0, "", "", "delivered"
        try:
            headers, body = self._headers(webhook, delivery, now), delivery.body.encode()
            outbound = self._outbounds.of(webhook.tenant_id)
            answer = await outbound.request("POST", webhook.url, headers=headers, data=body, whose=webhook.tenant_id)
            status, excerpt = answer.status, _excerpt(answer.body)
            if not 200 <= status < 300:  # noqa: PLR2004 - RFC 9110, 15.3
                error, outcome = f"it answered with the status {status}", "refused"
        except OutboundError as problem:
            error, outcome = str(problem), "unreachable"
        except TenantryError as problem:
            error, outcome = f"its secret cannot be read: {problem.message}", "unsigned"
        metrics.WEBHOOK_ATTEMPTS.count(outcome)
        tried = replace(
            delivery,
            tries=delivery.tries + 1,
            tried_at=now,
            milliseconds=int((time.monotonic() - started) * 1000),
            status=status,
            error=error,
            excerpt=excerpt,
        )
        after = _next(tried)
        has_told = await self._db.run(_settle, webhook, after, delivery, write=True)
        if has_told:
            self._due_at = 0
        if after.state is DeliveryState.PENDING:
            self._due_at = min(self._due_at, after.next_at)

    def _headers(self, webhook: Webhook, delivery: Delivery, now: int) -> Mapping[str, str]:
        sealed = [webhook.secret]
        if webhook.old_secret and webhook.old_secret_until > now:
            sealed.append(webhook.old_secret)
        signing = [self._encryption.decrypt(each, context(webhook.id)).decode() for each in sealed]
        timestamp = now // 1_000_000
        return {
            "Content-Type": "application/json",
            "webhook-id": delivery.event_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(signing, delivery.event_id, timestamp, delivery.body),
        }


def _next(tried: Delivery) -> Delivery:
    """What becomes of a message after a try."""
    if not tried.error:
        return replace(tried, state=DeliveryState.DELIVERED)
    if tried.tries >= TRIES:
        return replace(tried, state=DeliveryState.FAILED)
    seconds = DELAYS[tried.tries - 1] * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
    return replace(tried, next_at=tried.tried_at + int(seconds * 1_000_000))


def _settle(unit: Unit, webhook: Webhook, after: Delivery, before: Delivery) -> bool:
    """Note how a try ended, and disable a webhook that is gone, or that has taken nothing for as long as tries last.

    Returns whether it was disabled, which others are told of.
    """
    if not deliveries.save(unit, after, before):
        return False  # it was taken away meanwhile, or another process has sent it too
    webhooks.note_try(unit, webhook.id, after.tried_at, good=after.state is DeliveryState.DELIVERED)
    if after.state is not DeliveryState.PENDING:
        deliveries.forget(unit, webhook.id, KEPT)
    current = webhooks.get(unit, webhook.id)
    if current is None or current.state is not WebhookState.ENABLED:
        return False
    is_dead = after.state is DeliveryState.FAILED and 0 < current.failing_since <= after.tried_at - _LONGEST_US
    if after.status != _GONE and not is_dead:
        return False
    reason = "it says that it is gone" if after.status == _GONE else f"nothing was taken in {TRIES} tries"
    now = max(ids.now_micros(), current.updated_at + 1)
    disabled = replace(current, state=WebhookState.DISABLED, reason=reason, updated_at=now)
    if not webhooks.update(unit, disabled, current):
        return False
    note(unit, WORKER, "webhook.disable", disabled, message=reason)
    events.tell_disabled(unit, disabled)
    return True


def _excerpt(body: bytes) -> str:
    """The beginning of an answer as text, for people who look for what is wrong."""
    return redact(body[:EXCERPT].decode(errors="replace").replace("\0", "\ufffd"))
