"""Webhooks below ``/v1``: a tenant's, and the platform's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from tenantry.model.fields import Model, View
from tenantry.model.kinds import TENANT
from tenantry.model.permissions import Permission
from tenantry.model.resource import timestamp
from tenantry.model.webhooks import Delivery, DeliveryState, EventType, Webhook, WebhookState
from tenantry.services.webhooks.registry import NewSecret
from tenantry.web.routes import Route
from tenantry.web.v1.conventions import Call, Nothing, PageQuery, Reply, endpoint

_Url = Annotated[str, Field(min_length=1, max_length=1000)]
_Events = Annotated[list[Annotated[str, Field(max_length=63)]], Field(max_length=len(EventType))]
_Description = Annotated[str, Field(max_length=250)]


class WebhookBody(Model):
    """What a new webhook is to be."""

    url: _Url
    """Where messages are sent, by POST over HTTPS; it must answer with 2xx within 10 seconds."""
    events: _Events = Field(default=[])
    """What it is told of, such as `tenant.suspended`; of everything when empty."""
    description: _Description = ""
    """For people: what it is for."""


class WebhookChange(Model):
    """What of a webhook is to be another way; what is left out stays."""

    url: _Url | None = None
    """Where messages are sent."""
    events: _Events | None = None
    """What it is told of; of everything when empty."""
    description: _Description | None = None
    """For people: what it is for."""
    state: Annotated[WebhookState | None, Field(strict=False)] = None
    """`Disabled` holds back what is still to be sent, and is told of nothing new; `Enabled` goes on."""


class WebhookView(View):
    """A webhook, without its secret."""

    id: str
    """Identity."""
    tenant_id: Annotated[str | None, Field(alias="tenantID")] = None
    """The tenant whose it is; the platform's has none, and is told of all tenants."""
    url: str
    """Where messages are sent."""
    description: str
    """For people: what it is for."""
    events: list[str]
    """What it is told of; of everything when empty."""
    state: WebhookState
    """Whether messages are sent."""
    reason: str | None = None
    """Why it was disabled, when nobody has done it."""
    failing_since: str | None = None
    """Since when no try was good, as RFC 3339."""
    dropping_since: str | None = None
    """Since when messages are dropped because too many wait already, as RFC 3339."""
    created_by: str
    """Who made it."""
    created_at: str
    """When it was made."""
    updated_at: str
    """When it was changed last."""


class WebhookSecret(View):
    """A webhook with a fresh secret."""

    webhook: WebhookView
    """The webhook."""
    secret: str
    """By which a receiver knows what comes from here: `webhook-signature` as Standard Webhooks has it. It is shown this
    once."""


class WebhookList(View):
    """A page of webhooks, ordered by id."""

    items: list[WebhookView]
    """The webhooks."""
    next: str | None = None
    """The cursor of the next page, when there is one."""


class DeliveryView(View):
    """A message to a webhook, and how its last try ended."""

    id: str
    """Identity of the delivery."""
    event_id: Annotated[str, Field(alias="eventID")]
    """`webhook-id`, the same in each try and replay: a receiver does nothing twice for it."""
    type: str
    """What it tells of."""
    state: DeliveryState
    """How far it got."""
    tries: int
    """How often it was sent."""
    created_at: str
    """When it was made, as RFC 3339."""
    tried_at: str | None = None
    """When it was sent last."""
    next_at: str | None = None
    """When it is sent next."""
    milliseconds: int | None = None
    """How long the last try took."""
    status: int | None = None
    """HTTP status of the last answer, when one came."""
    error: str | None = None
    """What was wrong with the last try."""
    excerpt: str | None = None
    """What the last answer began with."""
    body: str
    """The message."""


class DeliveryList(View):
    """A page of deliveries, the newest first."""

    items: list[DeliveryView]
    """The deliveries."""
    next: str | None = None
    """The cursor of the next page, when there is one."""


async def list_webhooks(call: Call[PageQuery, Nothing]) -> Reply:
    """List the webhooks of a tenant, or of the platform."""
    limit = call.query.limit
    found = await call.services.webhooks.list(call.actor, _tenant(call), after=call.after(), limit=limit + 1)
    page, cursor = call.page(found, limit, lambda webhook: webhook.id)
    return Reply(body=WebhookList(items=[_view(webhook) for webhook in page], next=cursor))


async def get_webhook(call: Call[Nothing, Nothing]) -> Reply:
    """Get a webhook, without its secret."""
    return _reply(await call.services.webhooks.get(call.actor, _tenant(call), call.path["id"]))


async def create_webhook(call: Call[Nothing, WebhookBody]) -> Reply:
    """Have a URL told of what happens from now on.

    Messages are signed and retried as Standard Webhooks has it, each at least once: ten tries in a day. Its secret is
    shown this once.
    """
    body, tenant = call.body, _tenant(call)

    def created(made: NewSecret) -> Reply:
        where = f"/v1/tenants/{tenant}/webhooks" if tenant else "/v1/webhooks"
        return _secret(made, f"{where}/{made.webhook.id}")

    made = await call.services.webhooks.create(
        call.actor, tenant, body.url, events=body.events, description=body.description, once=call.once(created)
    )
    return created(made)


async def change_webhook(call: Call[Nothing, WebhookChange]) -> Reply:
    """Change a webhook, disable it, or enable it again."""
    changes: dict[str, Any] = call.body.model_dump(exclude_none=True)
    if "events" in changes:
        changes["events"] = tuple(dict.fromkeys(changes["events"]))
    identifier = call.path["id"]
    return _reply(await call.services.webhooks.update(call.actor, _tenant(call), identifier, changes, _matching(call)))


async def delete_webhook(call: Call[Nothing, Nothing]) -> Reply:
    """Take a webhook away, with what is still to be sent to it."""
    return _reply(await call.services.webhooks.delete(call.actor, _tenant(call), call.path["id"], _matching(call)))


async def rotate_webhook_secret(call: Call[Nothing, Nothing]) -> Reply:
    """Give a webhook another secret.

    The one that it had signs beside it for a day, so that the receiver can change over. The new one is shown this once.
    """
    made = await call.services.webhooks.rotate(call.actor, _tenant(call), call.path["id"], call.once(_secret))
    return _secret(made)


async def ping_webhook(call: Call[Nothing, Nothing]) -> Reply:
    """Send a webhook a message of the type `webhook.ping`."""
    sent = await call.services.webhooks.ping(call.actor, _tenant(call), call.path["id"], call.once(_delivery))
    return _delivery(sent)


async def list_webhook_deliveries(call: Call[PageQuery, Nothing]) -> Reply:
    """List what was sent to a webhook, and what is still to be sent.

    Of what is over, the last 100 are kept.
    """
    limit = call.query.limit
    found = await call.services.webhooks.deliveries(
        call.actor, _tenant(call), call.path["id"], before=call.after(), limit=limit + 1
    )
    page, cursor = call.page(found, limit, lambda delivery: delivery.id)
    return Reply(body=DeliveryList(items=[_show(delivery) for delivery in page], next=cursor))


async def get_webhook_delivery(call: Call[Nothing, Nothing]) -> Reply:
    """Get a message to a webhook, and how its last try ended."""
    identifier, delivery = call.path["id"], call.path["delivery"]
    return _delivery(await call.services.webhooks.delivery(call.actor, _tenant(call), identifier, delivery))


async def replay_webhook_delivery(call: Call[Nothing, Nothing]) -> Reply:
    """Send a message to a webhook again that was delivered or has failed, or at once one that waits for another try.

    It has the `webhook-id` that it had: the receiver decides whether it does something twice.
    """
    identifier, delivery = call.path["id"], call.path["delivery"]
    once = call.once(_delivery)
    return _delivery(await call.services.webhooks.replay(call.actor, _tenant(call), identifier, delivery, once))


def _tenant(call: Call[Any, Any]) -> str:
    return call.path.get("tenant", "")


def _matching(call: Call[Any, Any]) -> Callable[[Webhook], None]:
    return lambda webhook: call.check_match(_etag(webhook))


def _etag(webhook: Webhook) -> str:
    return hashlib.blake2b(repr(webhook).encode(), digest_size=16).hexdigest()


def _reply(webhook: Webhook) -> Reply:
    return Reply(body=_view(webhook), etag=_etag(webhook))


def _secret(made: NewSecret, location: str = "") -> Reply:
    body = WebhookSecret(webhook=_view(made.webhook), secret=made.secret)
    return Reply(body=body, kept=f"webhook {made.webhook.id}", location=location)


def _delivery(delivery: Delivery) -> Reply:
    return Reply(body=_show(delivery))


def _view(webhook: Webhook) -> WebhookView:
    return WebhookView(
        id=webhook.id,
        tenant_id=webhook.tenant_id or None,
        url=webhook.url,
        description=webhook.description,
        events=list(webhook.events),
        state=webhook.state,
        reason=webhook.reason or None,
        failing_since=timestamp(webhook.failing_since) if webhook.failing_since else None,
        dropping_since=timestamp(webhook.dropping_since) if webhook.dropping_since else None,
        created_by=webhook.created_by,
        created_at=timestamp(webhook.created_at),
        updated_at=timestamp(webhook.updated_at),
    )


def _show(delivery: Delivery) -> DeliveryView:
    tried, waits = delivery.tried_at > 0, delivery.state is DeliveryState.PENDING
    return DeliveryView(
        id=delivery.id,
        event_id=delivery.event_id,
        type=delivery.type,
        state=delivery.state,
        tries=delivery.tries,
        created_at=timestamp(delivery.created_at),
        tried_at=timestamp(delivery.tried_at) if tried else None,
        next_at=timestamp(delivery.next_at) if waits else None,
        milliseconds=delivery.milliseconds if tried else None,
        status=delivery.status or None,
        error=delivery.error or None,
        excerpt=delivery.excerpt or None,
        body=delivery.body,
    )


_READ, _WRITE = Permission.WEBHOOKS_READ, Permission.WEBHOOKS_WRITE


def _routes(path: str, **about: Any) -> list[Route]:
    """The routes of a tenant's webhooks, or of the platform's."""
    one = f"{path}/{{id}}"
    sent = f"{one}/deliveries"
    return [
        endpoint("GET", path, list_webhooks, needs=_READ, answer=WebhookList, query=PageQuery, **about),
        endpoint(
            "POST", path, create_webhook, needs=_WRITE, answer=WebhookSecret, body=WebhookBody, status=201, **about
        ),
        endpoint("GET", one, get_webhook, needs=_READ, answer=WebhookView, **about),
        endpoint(
            "PATCH",
            one,
            change_webhook,
            needs=_WRITE,
            answer=WebhookView,
            body=WebhookChange,
            conditional=True,
            **about,
        ),
        endpoint("DELETE", one, delete_webhook, needs=_WRITE, answer=WebhookView, conditional=True, **about),
        endpoint("POST", f"{one}:rotate", rotate_webhook_secret, needs=_WRITE, answer=WebhookSecret, **about),
        endpoint("POST", f"{one}:ping", ping_webhook, needs=_WRITE, answer=DeliveryView, **about),
        endpoint("GET", sent, list_webhook_deliveries, needs=_READ, answer=DeliveryList, query=PageQuery, **about),
        endpoint("GET", f"{sent}/{{delivery}}", get_webhook_delivery, needs=_READ, answer=DeliveryView, **about),
        endpoint(
            "POST", f"{sent}/{{delivery}}:replay", replay_webhook_delivery, needs=_WRITE, answer=DeliveryView, **about
        ),
    ]


ROUTES = [*_routes("/v1/webhooks"), *_routes("/v1/tenants/{tenant}/webhooks", of=TENANT)]
