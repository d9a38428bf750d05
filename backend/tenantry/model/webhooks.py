"""Webhooks: who is told of what, and how a message proves where it comes from (Standard Webhooks 1.0)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret begins with
_SECRET_BYTES = 32

#: how long a secret that was replaced still signs, beside the new one, in microseconds
OVERLAP_US = 24 * 3600 * 1_000_000
#: seconds from each try to the next: ten tries in a day
DELAYS = (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800)
TRIES = len(DELAYS) + 1
#: of a delivery that is over, how many are kept for each webhook
KEPT = 100
#: messages that may wait to be sent: for one webhook of a tenant, for all of a tenant, and for one of the platform,
#: which is told of all tenants
WAITING = 1_000
WAITING_OF_TENANT = 5_000
WAITING_OF_PLATFORM = 100_000
#: characters that are kept of an answer
EXCERPT = 500


class EventType(StrEnum):
    """What a message tells of."""

    TENANT_CREATED = "tenant.created"
    TENANT_UPDATED = "tenant.updated"
    TENANT_SUSPENDED = "tenant.suspended"
    TENANT_RESUMED = "tenant.resumed"
    TENANT_DELETED = "tenant.deleted"
    CONFIG_PUBLISHED = "config.published"
    WEBHOOK_DISABLED = "webhook.disabled"


#: the message that somebody asks for to try a webhook; none can be left out
PING = "webhook.ping"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened. ``id`` is the same however often it is told, and of no other event."""

    id: str
    type: str
    tenant_id: str  # whose it is; empty: the platform's
    body: str  # JSON, exactly as it is sent
    at: int  # epoch microseconds


class WebhookState(StrEnum):
    """Whether messages are sent."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A URL that is told of events of a tenant, or of all where it is the platform's."""

    id: str  # UUIDv7
    tenant_id: str
    url: str
    description: str = ""
    events: tuple[str, ...] = ()  # none: all
    secret: str = ""  # encrypted
    old_secret: str = ""  # encrypted: what it was before; signs until ``old_secret_until``
    old_secret_until: int = 0  # epoch microseconds, as all below
    state: WebhookState = WebhookState.ENABLED
    reason: str = ""  # why it was disabled, when nobody has done it
    since: int = 0  # it is told of what happens from then on
    failing_since: int = 0  # 0: the last try was good
    dropping_since: int = 0  # 0: the last message found room among those that wait
    created_by: str = ""
    created_at: int = 0
    updated_at: int = 0

    def wants(self, event: Event) -> bool:
        """Whether it is told of ``event``."""
        return (
            self.state is WebhookState.ENABLED
            and self.tenant_id in {"", event.tenant_id}
            and (not self.events or event.type in self.events)
            and event.at >= self.since
        )


class DeliveryState(StrEnum):
    """How far a message got."""

    PENDING = "Pending"
    DELIVERED = "Delivered"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message to one webhook, with how its last try ended."""

    id: str  # UUIDv7
    webhook_id: str
    event_id: str
    type: str
    body: str
    state: DeliveryState = DeliveryState.PENDING
    tries: int = 0
    next_at: int = 0  # epoch microseconds, as all times
    created_at: int = 0
    tried_at: int = 0  # 0: not tried
    milliseconds: int = 0  # that the last try took
    status: int = 0  # of the answer; 0: none came
    error: str = ""
    excerpt: str = ""  # what the answer began with


def new_secret() -> str:
    """A fresh secret in the form that receivers take."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def sign(signing: Iterable[str], message_id: str, timestamp: int, body: str) -> str:
    """The header ``webhook-signature``: one signature with each secret."""
    content = f"{message_id}.{timestamp}.{body}".encode()
    return " ".join(f"v1,{_signature(secret, content)}" for secret in signing)


def _signature(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
