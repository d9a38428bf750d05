"""Resources for tests of storage, and the units that write them."""

from collections.abc import Mapping
from typing import Any

import orjson

from tenantry.model import ids
from tenantry.model.resource import Resource, Verb
from tenantry.storage import changes, resources, tables
from tenantry.storage.changes import PendingChange
from tenantry.storage.unit import Unit

NOW = 1_800_000_000_000_000


def tenant(name: str, labels: Mapping[str, str] | None = None, **columns: Any) -> Resource:
    """A Tenant that was never stored."""
    meta = orjson.dumps({"labels": labels}).decode() if labels else "{}"
    return Resource(
        **{
            "kind": "Tenant",
            "namespace": "",
            "name": name,
            "uid": ids.uuid7(),
            "meta": meta,
            "spec": '{"displayName":"Acme"}',
            "created_at": NOW,
            "updated_at": NOW,
            **columns,
        }
    )


def create(unit: Unit, *items: Resource) -> list[Resource]:
    """Store new resources with their labels."""
    for item in sorted(items, key=lambda item: item.uid):
        resources.insert(unit, item, item.labels())
    return changes.commit(unit, [change(item, Verb.ADDED) for item in items])


def rewrite(unit: Unit, old: Resource, new: Resource) -> Resource:
    """Put ``new`` in the place of a stored resource, if it is still what ``old`` says."""
    resources.update(unit, new, old.seq, new.labels())
    return changes.commit(unit, [change(new, Verb.MODIFIED, old.labels())])[0]


def remove(unit: Unit, item: Resource) -> Resource:
    """Delete a stored resource, if it is still what ``item`` says."""
    resources.delete(unit, item, item.seq)
    return changes.commit(unit, [change(item, Verb.DELETED, item.labels())])[0]


def change(item: Resource, verb: Verb, prev_labels: dict[str, str] | None = None) -> PendingChange:
    """A change of ``item`` that waits for its seq."""
    return PendingChange(resource=item, verb=verb, prev_labels=prev_labels or {}, at=NOW)


def restore(unit: Unit, seq: int) -> None:
    """What a backup makes of a database that was made after ``seq``."""
    unit.execute(tables.ChangeLog.delete().where(tables.ChangeLog.seq > seq))
    unit.execute(tables.Resource.delete().where(tables.Resource.seq > seq))
    unit.execute(tables.Clock.update({"seq": seq}).where(tables.Clock.name == "seq"))
