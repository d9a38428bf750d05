"""Webhooks: made, changed, tried and taken away by a tenant, or by the platform, which is told of all tenants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from tenantry.model import ids
from tenantry.model.audit import describe
from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError
from tenantry.model.identity import Actor
from tenantry.model.notice import Notice
from tenantry.model.webhooks import (
    OVERLAP_US,
    Delivery,
    DeliveryState,
    EventType,
    Webhook,
    WebhookState,
    new_secret,
)
from tenantry.services import answers, caps
from tenantry.services.answers import Once
from tenantry.services.encryption import Encryption
from tenantry.services.outbound import Outbounds
from tenantry.services.tenancy import find_tenant
from tenantry.services.webhooks.audit import note
from tenantry.services.webhooks.events import ping
from tenantry.services.webhooks.queue import Queue, message
from tenantry.storage import changes, deliveries, webhooks
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

Check = Callable[[Webhook], None]


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A webhook with a fresh secret, which is shown this once."""

    webhook: Webhook
    secret: str


class Webhooks:
    """What can be done with webhooks.

    ``tenant`` is everywhere the name of the tenant whose they are; when empty, they are of the actor's own tenant, or
    of the platform.
    """

    def __init__(self, db: Database, encryption: Encryption, outbounds: Outbounds) -> None:
        self._db = db
        self._encryption = encryption
        self._outbounds = outbounds

    async def list(self, actor: Actor, tenant: str, *, after: str = "", limit: int = 500) -> list[Webhook]:
        """At most ``limit`` webhooks with ids beyond ``after``.

        Raises:
            TenantryError: ``NOT_FOUND``, there is no such tenant.
        """
        tenant_id = await self._tenant_id(actor, tenant)
        return await self._db.run(partial(webhooks.page, tenant_id=tenant_id, after=after, limit=limit))

    async def get(self, actor: Actor, tenant: str, identifier: str) -> Webhook:
        """A webhook.

        Raises:
            TenantryError: ``NOT_FOUND``.
        """
        tenant_id = await self._tenant_id(actor, tenant)
        found = await self._db.run(webhooks.get, identifier)
        if found is None or found.tenant_id != tenant_id:
            raise TenantryError(Code.NOT_FOUND, f'there is no webhook "{identifier}"')
        return found

    async def create(  # noqa: PLR0913 - the parts of a webhook
        self,
        actor: Actor,
        tenant: str,
        url: str,
        *,
        events: Sequence[str],
        description: str,
        once: Once[NewSecret] | None,
    ) -> NewSecret:
        """Have ``url`` told of those ``events``, of all when there are none, from now on.

        Raises:
            TenantryError: ``INVALID``; ``NOT_FOUND``, there is no such tenant; ``UNAVAILABLE``, the server keeps no
                secrets; ``LIMIT_REACHED``.
        """
        now, secret = ids.now_micros(), new_secret()
        webhook = Webhook(
            id=ids.uuid7(),
            tenant_id=await self._tenant_id(actor, tenant),
            url=url,
            description=description,
            events=tuple(dict.fromkeys(events)),
            since=now,
            created_by=actor.name,
            created_at=now,
            updated_at=now,
        )
        self._check(webhook)
        webhook = replace(webhook, secret=self._seal(webhook, secret))
        return await answers.run(self._db, once, _create, actor, NewSecret(webhook, secret))

    async def update(
        self, actor: Actor, tenant: str, identifier: str, fields: Mapping[str, Any], check: Check
    ) -> Webhook:
        """Change fields of a webhook.

        Args:
            actor: who asks.
            tenant: whose it is.
            identifier: its id.
            fields: field of :class:`Webhook` -> new value.
            check: raises when it is not as the caller has seen it.

        Raises:
            TenantryError: ``NOT_FOUND``, ``INVALID``.
        """
        before = await self.get(actor, tenant, identifier)
        check(before)
        after = replace(before, **fields, updated_at=_later(before))
        if after.state is WebhookState.ENABLED and before.state is WebhookState.DISABLED:
            after = replace(after, reason="", failing_since=0, since=after.updated_at)
        if after.state is WebhookState.ENABLED or after.url != before.url:  # what is wrong can be switched off
            self._check(after)
        return await self._db.run(_update, actor, "webhook.update", after, before, write=True)

    async def rotate(self, actor: Actor, tenant: str, identifier: str, once: Once[NewSecret] | None) -> NewSecret:
        """Give a webhook another secret; the one that it had signs beside it for a day, where it can be read.

        Raises:
            TenantryError: ``NOT_FOUND``, ``UNAVAILABLE``.
        """
        before, secret = await self.get(actor, tenant, identifier), new_secret()
        signs_on = self._can_read(before)
        after = replace(
            before,
            secret=self._seal(before, secret),
            old_secret=before.secret if signs_on else "",
            old_secret_until=ids.now_micros() + OVERLAP_US if signs_on else 0,
            updated_at=_later(before),
        )
        return await answers.run(self._db, once, _rotate, actor, NewSecret(after, secret), before)

    async def delete(self, actor: Actor, tenant: str, identifier: str, check: Check) -> Webhook:
        """Take a webhook away, and what was to be sent to it.

        Raises:
            TenantryError: ``NOT_FOUND``.
        """
        webhook = await self.get(actor, tenant, identifier)
        check(webhook)
        await self._db.run(_delete, actor, webhook, write=True)
        return webhook

    async def ping(self, actor: Actor, tenant: str, identifier: str, once: Once[Delivery] | None) -> Delivery:
        """Send a webhook a message that means nothing, once.

        Raises:
            TenantryError: ``NOT_FOUND``; ``CONFLICT``, it is disabled, or too much waits already.
        """
        webhook = await self._enabled(actor, tenant, identifier)
        delivery = message(webhook.id, ping(webhook.tenant_id))
        return await answers.run(self._db, once, _send, actor, "webhook.ping", webhook, delivery)

    async def replay(
        self, actor: Actor, tenant: str, identifier: str, delivery_id: str, once: Once[Delivery] | None
    ) -> Delivery:
        """Send a message again that was sent once, under the id that it had, and at once if it waits for another try.

        Raises:
            TenantryError: ``NOT_FOUND``; ``CONFLICT``, the webhook is disabled, the message was not sent yet, or too
                much waits already.
        """
        webhook = await self._enabled(actor, tenant, identifier)
        before = await self.delivery(actor, tenant, identifier, delivery_id)
        if before.state is DeliveryState.PENDING and not before.tries:
            raise TenantryError(Code.CONFLICT, "the message is still to be sent")
        after = replace(before, state=DeliveryState.PENDING, tries=0, next_at=ids.now_micros())
        return await answers.run(self._db, once, _replay, actor, webhook, after, before)

    async def deliveries(
        self, actor: Actor, tenant: str, identifier: str, *, before: str = "", limit: int
    ) -> Sequence[Delivery]:
        """At most ``limit`` deliveries of a webhook with ids below ``before``, the newest first.

        Raises:
            TenantryError: ``NOT_FOUND``.
        """
        webhook = await self.get(actor, tenant, identifier)
        return await self._db.run(partial(deliveries.page, before=before, limit=limit), webhook.id)

    async def delivery(self, actor: Actor, tenant: str, identifier: str, delivery_id: str) -> Delivery:
        """A delivery of a webhook.

        Raises:
            TenantryError: ``NOT_FOUND``.
        """
        webhook = await self.get(actor, tenant, identifier)
        found = await self._db.run(deliveries.get, webhook.id, delivery_id)
        if found is None:
            raise TenantryError(Code.NOT_FOUND, f'there is no delivery "{delivery_id}"')
        return found

    async def _tenant_id(self, actor: Actor, tenant: str) -> str:
        return await find_tenant(self._db, actor, tenant) if tenant else actor.tenant_id

    async def _enabled(self, actor: Actor, tenant: str, identifier: str) -> Webhook:
        webhook = await self.get(actor, tenant, identifier)
        if webhook.state is not WebhookState.ENABLED:
            raise TenantryError(Code.CONFLICT, "the webhook is disabled: enable it first")
        return webhook

    def _seal(self, webhook: Webhook, secret: str) -> str:
        return self._encryption.encrypt(secret.encode(), context(webhook.id))

    def _can_read(self, webhook: Webhook) -> bool:
        """Whether its secret was encrypted with a key that is there; one that is lost must not spoil each message."""
        try:
            self._encryption.decrypt(webhook.secret, context(webhook.id))
        except TenantryError:
            return False
        return True

    def _check(self, webhook: Webhook) -> None:
        errors = []
        try:
            self._outbounds.of(webhook.tenant_id).check(webhook.url)
        except ValueError as error:
            errors.append(FieldError("url", FieldCode.INVALID, f"Invalid value: {error}"))
        known = ", ".join(f'"{kind}"' for kind in EventType)
        errors += [
            FieldError(
                f"events[{index}]",
                FieldCode.NOT_SUPPORTED,
                f'Unsupported value: "{name}": supported values: {known}',
            )
            for index, name in enumerate(webhook.events)
            if name not in set(EventType)
        ]
        if errors:
            raise TenantryError(Code.INVALID, "the webhook is not valid", errors)


def context(webhook_id: str) -> str:
    """Where the secrets of the webhook belong."""
    return f"the secret of a webhook:{webhook_id}"


def _create(unit: Unit, actor: Actor, made: NewSecret) -> NewSecret:
    webhook = made.webhook
    caps.check(caps.WEBHOOKS, webhooks.count(unit, webhook.tenant_id))
    webhooks.insert(unit, webhook)
    note(unit, actor, "webhook.create", webhook, diff=describe({}, _told(webhook)))
    return made


def _update(unit: Unit, actor: Actor, action: str, after: Webhook, before: Webhook) -> Webhook:
    if not webhooks.update(unit, after, before):
        raise TenantryError(Code.CONFLICT, "the webhook was changed at the same moment: try again")
    note(unit, actor, action, after, diff=describe(_told(before), _told(after)))
    _wake(unit, after)
    return after


def _rotate(unit: Unit, actor: Actor, made: NewSecret, before: Webhook) -> NewSecret:
    _update(unit, actor, "webhook.rotate", made.webhook, before)
    return made


def _delete(unit: Unit, actor: Actor, webhook: Webhook) -> None:
    if webhooks.delete(unit, webhook.id):
        deliveries.delete_all(unit, webhook.id)
        note(unit, actor, "webhook.delete", webhook, diff=describe(_told(webhook), {}))


def _send(unit: Unit, actor: Actor, action: str, webhook: Webhook, delivery: Delivery) -> Delivery:
    _check_room(unit, webhook)
    deliveries.insert(unit, delivery)
    note(unit, actor, action, webhook, message=delivery.event_id)
    _wake(unit, webhook)
    return delivery


def _replay(unit: Unit, actor: Actor, webhook: Webhook, after: Delivery, before: Delivery) -> Delivery:
    if before.state is not DeliveryState.PENDING:
        _check_room(unit, webhook)
    if not deliveries.save(unit, after, before):
        raise TenantryError(Code.CONFLICT, "the message is being sent at this moment")
    note(unit, actor, "webhook.replay", webhook, message=after.event_id)
    _wake(unit, webhook)
    return after


def _check_room(unit: Unit, webhook: Webhook) -> None:
    if why := Queue(unit).problem(webhook):
        raise TenantryError(Code.CONFLICT, f"{why}: wait until some were sent")


def _wake(unit: Unit, webhook: Webhook) -> None:
    """Let the worker, which rests while nothing is announced, see that there is something to send."""
    changes.announce(unit, Notice(kind="Webhook", name=webhook.id, tenant_id=webhook.tenant_id), at=ids.now_micros())


def _told(webhook: Webhook) -> dict[str, Any]:
    return {
        "url": webhook.url,
        "description": webhook.description,
        "events": list(webhook.events),
        "state": str(webhook.state),
    }


def _later(webhook: Webhook) -> int:
    return max(ids.now_micros(), webhook.updated_at + 1)
