"""The audit log below ``/v1``."""

from __future__ import annotations

from typing import Annotated, Literal

import orjson
from pydantic import Field

from tenantry.model.audit import AuditEvent, Filter
from tenantry.model.fields import View
from tenantry.model.permissions import Permission
from tenantry.model.resource import timestamp
from tenantry.web.v1.conventions import Call, Nothing, PageQuery, Reply, endpoint
from tenantry.web.v1.history import Change

Word = Annotated[str, Field(max_length=253)]


class AuditQuery(PageQuery):
    """Which rows; a part that is left out lets everything pass."""

    tenant_id: Annotated[str, Field(max_length=36, alias="tenantID")] = ""
    """Identity of the tenant that it is about."""
    kind: Word = ""
    """Kind of the object: `Plan`, `Tenant`, `Config`, `ApiKey`."""
    namespace: Word = ""
    """Namespace of the object."""
    name: Word = ""
    """Name of the object."""
    actor: Annotated[str, Field(max_length=1024)] = ""
    """Who did it."""
    action: Word = ""
    """What was done: `create`, `update`, `patch`, `apply`, `delete`, `rollback`, `key.create`."""
    result: Literal["", "ok", "denied"] = ""
    """How it ended."""


class AuditEntry(View):
    """One thing that somebody did, or was refused."""

    id: str
    """Identity of the row; later ones are greater."""
    at: str
    """When, as RFC 3339."""
    actor: str
    """Who: `key:<id>`, `serviceaccount:<cluster>:<namespace>:<name>`, `local-admin`, `worker`."""
    on_behalf_of: str | None = None
    """For whom, when a client or key acts for a person: `user:<id>`."""
    action: str
    """What was done; the HTTP method of a request that was refused."""
    result: Literal["ok", "denied"]
    """How it ended."""
    kind: str | None = None
    """Kind of the object."""
    namespace: str | None = None
    """Namespace of the object."""
    name: str | None = None
    """Name of the object."""
    tenant_id: Annotated[str | None, Field(alias="tenantID")] = None
    """Identity of the tenant that it is about."""
    resource_version: str | None = None
    """`metadata.resourceVersion` that the object got."""
    request_id: Annotated[str | None, Field(alias="requestID")] = None
    """The request's `X-Request-ID`."""
    ip: str | None = None
    """Address of the caller."""
    message: str | None = None
    """Why, as the caller or the server says."""
    changes: list[Change] | None = None
    """What it changed; secrets are replaced and long values cut off."""
    more_changes: int | None = None
    """Changes beyond those that are told."""


class AuditList(View):
    """A page of the audit log, newest first."""

    items: list[AuditEntry]
    """The rows."""
    next: str | None = None
    """The cursor of the next page, when there is one."""


async def list_audit(call: Call[AuditQuery, Nothing]) -> Reply:
    """List what was done, and what was refused.

    Newest first. A credential of one tenant sees what is about that tenant.
    """
    query = call.query
    wanted = Filter(
        tenant_id=query.tenant_id,
        kind=query.kind,
        namespace=query.namespace,
        name=query.name,
        actor=query.actor,
        action=query.action,
        result=query.result,
    )
    found = await call.services.audit.list(call.actor, wanted, before=call.after(), limit=query.limit + 1)
    page, cursor = call.page(found, query.limit, lambda event: event.id)
    return Reply(body=AuditList(items=[_entry(event) for event in page], next=cursor))


def _entry(event: AuditEvent) -> AuditEntry:
    difference = orjson.loads(event.diff)
    return AuditEntry(
        id=event.id,
        at=timestamp(event.at),
        actor=event.actor,
        on_behalf_of=event.on_behalf_of or None,
        action=event.action,
        result=event.result.value,
        kind=event.kind or None,
        namespace=event.namespace or None,
        name=event.name or None,
        tenant_id=event.tenant_id or None,
        resource_version=str(event.seq) if event.seq else None,
        request_id=event.request_id or None,
        ip=event.ip or None,
        message=event.message or None,
        changes=[Change(**change) for change in difference["changes"]] if difference else None,
        more_changes=difference.get("more"),
    )


ROUTES = [
    endpoint("GET", "/v1/audit", list_audit, needs=Permission.AUDIT_READ, answer=AuditList, query=AuditQuery),
]
