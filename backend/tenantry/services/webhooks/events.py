"""Which changes webhooks are told of, and in which words: from the change log to messages, none lost and none twice."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from tenantry.model import ids
from tenantry.model.audit import AuditEvent
from tenantry.model.errors import Code, TenantryError
from tenantry.model.kinds import CONFIG, TENANT
from tenantry.model.resource import Change, Verb, timestamp
from tenantry.model.webhooks import PING, Event, EventType, Webhook
from tenantry.services.webhooks.queue import Queue
from tenantry.storage import audit, changes, webhooks
from tenantry.storage.unit import Unit

#: changes, and bytes of them, that one unit reads
_BATCH = 100
_BYTES = 1 << 20

log = logging.getLogger(__name__)


def is_behind(unit: Unit) -> bool:
    """Whether there are changes that webhooks were not told of."""
    return webhooks.cursor(unit) != changes.current_seq(unit)


def tell(unit: Unit) -> bool:
    """Queue what the next changes are to webhooks, and move the cursor past them; whether there may be more.

    Raises:
        TenantryError: ``CONFLICT`` (raced), another process did so at the same moment.
    """
    before, seq = webhooks.cursor(unit), changes.current_seq(unit)
    if before == seq:
        return False
    told = seq
    listening = webhooks.enabled(unit)  # who comes after this is not owed what was before
    if listening and before < seq:
        batch = changes.read_part(unit, before, _BATCH, _BYTES)
        if batch and batch[0].seq != before + 1:
            log.error("webhooks were not told of the changes from %d to %d", before + 1, batch[0].seq - 1)
        _queue(unit, listening, filter(None, (_event(unit, change) for change in batch)))
        told = batch[-1].seq if batch else seq
    if not webhooks.move_cursor(unit, told, before):
        raise TenantryError(Code.CONFLICT, "webhooks were told by another process", raced=True)
    return told < seq


def tell_disabled(unit: Unit, disabled: Webhook) -> None:
    """Tell the other webhooks of its tenant, and the platform's, of one that was disabled because it takes nothing."""
    data: dict[str, Any] = {
        "webhook": {"id": disabled.id, "description": disabled.description},
        "tenantID": disabled.tenant_id or None,
        "reason": disabled.reason,
    }
    now = ids.now_micros()
    event = _make(f"msg_{ids.uuid7()}", EventType.WEBHOOK_DISABLED, disabled.tenant_id, now, data)
    _queue(unit, webhooks.enabled(unit), [event])


def ping(tenant_id: str) -> Event:
    """An event that means nothing."""
    now = ids.now_micros()
    return _make(f"msg_{ids.uuid7()}", PING, tenant_id, now, {})


def _queue(unit: Unit, listening: Sequence[Webhook], events: Iterable[Event]) -> None:
    wanted = [(webhook, event) for event in events for webhook in listening if webhook.wants(event)]
    if not wanted:
        return
    queue = Queue(unit)
    for webhook, event in wanted:
        queue.add(webhook, event)


def _event(unit: Unit, change: Change) -> Event | None:
    """What a change is to others; None for what the server itself computes, and for what is no business of theirs."""
    if change.kind not in {TENANT.name, CONFIG.name} or not change.uid:
        return None
    done = audit.of_change(unit, change)
    paths = _paths(done)
    kind = _type(change, done, paths)
    if kind is None:
        return None
    document = orjson.loads(change.object)
    metadata, spec = document["metadata"], document["spec"]
    about: dict[str, Any] = {
        "kind": change.kind,
        **({"namespace": change.namespace} if change.namespace else {}),
        "name": change.name,
        "uid": change.uid,
        "generation": metadata.get("generation"),
        "resourceVersion": str(change.seq),
    }
    data: dict[str, Any] = {"object": about, "tenantID": change.tenant_id or None}
    if change.kind == TENANT.name:
        data["state"] = spec.get("state", "Active")
    if change.verb is Verb.MODIFIED:
        data["changed"] = [path for path in paths if not path.startswith("status")]
    return _make(f"msg_{change.seq}_{change.at}", kind, change.tenant_id, change.at, data)


def _type(change: Change, done: AuditEvent | None, paths: Mapping[str, tuple[Any, Any]]) -> EventType | None:
    written = change.verb is not Verb.MODIFIED or any(path.startswith(("spec", "metadata")) for path in paths)
    if done is None or not written:
        return None
    if change.kind == CONFIG.name:
        published = change.verb is Verb.ADDED or any(path.startswith("spec") for path in paths)
        return EventType.CONFIG_PUBLISHED if change.verb is not Verb.DELETED and published else None
    if change.verb is not Verb.MODIFIED:
        return EventType.TENANT_CREATED if change.verb is Verb.ADDED else EventType.TENANT_DELETED
    before, after = paths.get("spec.state", (None, None))
    if "Suspended" not in {before, after}:
        return EventType.TENANT_UPDATED
    return EventType.TENANT_SUSPENDED if after == "Suspended" else EventType.TENANT_RESUMED


def _paths(done: AuditEvent | None) -> dict[str, tuple[Any, Any]]:
    """Path -> what it was and what it is, of what somebody has changed."""
    told = orjson.loads(done.diff).get("changes", []) if done else []
    return {each["path"]: (each.get("before"), each.get("after")) for each in told}


def _make(identifier: str, kind: str, tenant_id: str, at: int, data: dict[str, Any]) -> Event:
    body = orjson.dumps({"type": kind, "timestamp": timestamp(at), "data": data}).decode()
    return Event(id=identifier, type=kind, tenant_id=tenant_id, body=body, at=at)
