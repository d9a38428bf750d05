"""Tombstones below ``/v1``: deleted tenants, brought back or given up."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tenantry.model.fields import View
from tenantry.model.kinds import TENANT
from tenantry.model.permissions import Permission
from tenantry.model.resource import Tombstone, timestamp
from tenantry.web.routes import Whole
from tenantry.web.v1.conventions import Call, Nothing, PageQuery, Reply, endpoint
from tenantry.web.v1.objects import whole


class TombstoneView(View):
    """What a deleted tenant leaves."""

    name: str
    """Name of the tenant; nobody else can use it."""
    tenant_id: Annotated[str, Field(alias="tenantID")]
    """Its identity, which it keeps when it comes back."""
    managed_by: str
    """Who can bring it back: `api`, or the name of a cluster."""
    deleted_at: str
    """When it was deleted, as RFC 3339."""
    purge_at: str | None = None
    """Until when it can be brought back; left out when it was purged."""


class TombstoneList(View):
    """A page of tombstones, ordered by name."""

    items: list[TombstoneView]
    """The tombstones."""
    next: str | None = None
    """The cursor of the next page, when there is one."""


async def list_tombstones(call: Call[PageQuery, Nothing]) -> Reply:
    """List the deleted tenants whose names are still taken."""
    limit = call.query.limit
    found = await call.services.tombstones.list(call.actor, after=call.after(), limit=limit + 1)
    page, cursor = call.page(found, limit, lambda tombstone: tombstone.slug)
    return Reply(body=TombstoneList(items=[_view(tombstone) for tombstone in page], next=cursor))


async def get_tombstone(call: Call[Nothing, Nothing]) -> Reply:
    """Get what a deleted tenant left."""
    return _reply(await call.services.tombstones.get(call.actor, call.path["name"]))


async def undelete(call: Call[Nothing, Nothing]) -> Reply:
    """Bring a deleted tenant back.

    It has its last spec, labels, annotations and managed fields, its identity, keys and history. `If-Match` takes the
    tombstone's ETag.
    """
    resource = await call.services.tombstones.undelete(
        call.actor, call.path["name"], lambda found: call.check_match(_etag(found)), call.once(whole)
    )
    return whole(resource)


async def release(call: Call[Nothing, Nothing]) -> Reply:
    """Free the name of a deleted tenant.

    Anybody can use the name then, and the tenant cannot be brought back. `If-Match` takes the tombstone's ETag.
    """
    released = await call.services.tombstones.release(
        call.actor, call.path["name"], lambda found: call.check_match(_etag(found))
    )
    return Reply(body=_view(released))


def _reply(tombstone: Tombstone) -> Reply:
    return Reply(body=_view(tombstone), etag=_etag(tombstone))


def _etag(tombstone: Tombstone) -> str:
    return f"{tombstone.deleted_at}-{tombstone.purge_at}"


def _view(tombstone: Tombstone) -> TombstoneView:
    return TombstoneView(
        name=tombstone.slug,
        tenant_id=tombstone.tenant_id,
        managed_by=tombstone.managed_by,
        deleted_at=timestamp(tombstone.deleted_at),
        purge_at=timestamp(tombstone.purge_at) if tombstone.purge_at else None,
    )


_PATH = "/v1/tombstones"
_ONE = f"{_PATH}/{{name}}"
_READS, _WRITES, _RELEASES = Permission.RESOURCES_READ, Permission.RESOURCES_WRITE, Permission.TOMBSTONES_RELEASE
ROUTES = [
    endpoint("GET", _PATH, list_tombstones, needs=_READS, answer=TombstoneList, query=PageQuery),
    endpoint("GET", _ONE, get_tombstone, needs=_READS, answer=TombstoneView),
    endpoint("DELETE", _ONE, release, needs=_RELEASES, answer=TombstoneView, conditional=True),
    endpoint("POST", f"{_ONE}:undelete", undelete, needs=_WRITES, answer=Whole(TENANT), conditional=True),
]
