"""What is done with webhooks, in the audit log."""

from __future__ import annotations

from tenantry.model import ids
from tenantry.model.identity import Actor
from tenantry.model.webhooks import Webhook
from tenantry.services.audit.log import event
from tenantry.storage import audit
from tenantry.storage.unit import Unit

WORKER = Actor(name="worker")


def note(  # noqa: PLR0913 - the parts of a row
    unit: Unit, actor: Actor, action: str, webhook: Webhook, *, diff: str = "{}", message: str = ""
) -> None:
    """Write who did what with ``webhook``."""
    tenant, now = webhook.tenant_id, ids.now_micros()
    row = event(actor, action, "Webhook", webhook.id, at=now, tenant_id=tenant, message=message, diff=diff)
    audit.append(unit, row)
