"""Explanations: what applies to a tenant, why it is not ready, and what to do next."""

from __future__ import annotations

import orjson

from tenantry.model import ids
from tenantry.model.explanation import Explanation, Surroundings, explain
from tenantry.model.identity import Actor
from tenantry.model.kinds import PLAN, TENANT, Address
from tenantry.model.resource import Resource
from tenantry.services.resources import meaning
from tenantry.services.resources.crud import ResourceService
from tenantry.storage import claims, invites, resources, revisions
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit


class Explanations:
    """Explains tenants, over one database."""

    def __init__(self, db: Database, resources: ResourceService) -> None:
        self._db = db
        self._resources = resources

    async def tenant(self, actor: Actor, name: str) -> Explanation:
        """Why the tenant is as it is; NOT_FOUND when there is none that the actor may see."""
        resource = await self._resources.get(actor, Address(TENANT, "", name))
        around = await self._db.run(_look_around, resource, not actor.tenant_id, snapshot=True)
        return explain(resource, around)


def _look_around(unit: Unit, resource: Resource, names_others: bool) -> Surroundings:  # noqa: FBT001 - Database.run passes by place
    plan = resources.get(unit, PLAN.name, "", resource.plan)
    lost = [
        entry["host"] for entry in orjson.loads(resource.status).get("hostnames", ()) if entry["state"] == "Conflict"
    ]
    owners = {host: claims.find_owner(unit, meaning.HOSTNAME, host) for host in lost if names_others}
    holders = {host: resources.get_by_uid(unit, uid) for host, uid in owners.items() if uid}
    return Surroundings(
        plan=plan,
        plan_revision=revisions.latest(unit, (*plan.key, plan.tenant_id)) if plan else 0,
        lost_invites=invites.count_lost(unit, resource.tenant_id, ids.now_micros()),
        holders={host: holder.name for host, holder in holders.items() if holder},
    )
