"""Many tenants at once: written into the database the way the service writes them, without the way there."""

from __future__ import annotations

from dataclasses import replace

from tenantry.model import ids
from tenantry.model.identity import Actor
from tenantry.model.kinds import TENANT
from tenantry.model.resource import Resource, Verb
from tenantry.services.resources import candidate
from tenantry.services.resources.candidate import Writer
from tenantry.storage import changes, resources
from tenantry.storage.changes import PendingChange
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

ACTOR = Actor(name="bench")
BATCH = 250
#: as many as `-l ring=rare` is to find
RARE = 50


def tenant(name: str, labels: dict[str, str] | None = None, display_name: str = "Acme GmbH") -> dict[str, object]:
    """A Tenant document of about 2 KB when it is stored."""
    return {
        "apiVersion": "tenantry.dev/v1alpha1",
        "kind": "Tenant",
        "metadata": {"name": name, "labels": {"ring": "internal", "region": "eu", **(labels or {})}},
        "spec": {
            "displayName": display_name,
            "planRef": {"name": "pro"},
            "access": [{"role": "Owner", "subjects": [{"kind": "Group", "name": f"{name}-admins"}]}],
            "namespaces": [{"name": "prod", "share": 70}, {"name": "dev"}],
            "quota": {"hard": {"requests.cpu": "8", "requests.memory": "16Gi", "pods": "100"}},
            "limits": {"default": {"cpu": "500m"}, "defaultRequest": {"cpu": "50m"}},
            "oauthClients": [{"name": "app", "namespace": "prod"}],
        },
    }


async def seed(database_url: str, first: int, count: int) -> None:
    """Add tenants ``t<first>``... with their labels, change-log rows and no claims."""
    db = await Database.open(database_url)
    writer = Writer(manager="bench", now=ids.now_micros())
    template = candidate.create(TENANT, tenant("template"), "", writer).resource
    try:
        for start in range(first, first + count, BATCH):
            batch = [_tenant(template, number) for number in range(start, min(start + BATCH, first + count))]
            await db.run(_insert, batch, write=True, timeout=60)
    finally:
        await db.close()


def _tenant(template: Resource, number: int) -> Resource:
    meta = template.meta.replace('"internal"', '"rare"') if number < RARE else template.meta
    return replace(template, name=f"t{number:06}", uid=ids.uuid7(), tenant_id=ids.uuid7(), meta=meta)


def _insert(unit: Unit, batch: list[Resource]) -> None:
    for resource in batch:
        resources.insert(unit, resource, resource.labels())
    at = batch[0].created_at
    changes.commit(
        unit, [PendingChange(resource=resource, verb=Verb.ADDED, prev_labels={}, at=at) for resource in batch]
    )
