"""Who the server takes the caller for."""

from __future__ import annotations

from tenantry.model.fields import View
from tenantry.model.permissions import Permission
from tenantry.web.conventions import Call, Nothing, Reply, endpoint


class Me(View):
    """Who the server takes the caller for."""

    name: str
    """Stable name, as the audit log has it."""
    tenant: str | None
    """Identity of the tenant that the credential is bound to."""
    cluster: str | None
    """Name of the cluster that vouches for the caller."""
    scopes: list[str]
    """What the credential carries, sorted."""
    permissions: list[str]
    """What the caller may do, sorted."""


async def get_me(call: Call[Nothing, Nothing]) -> Reply:
    """Tell whom the server takes the caller for, and what that one may do."""
    actor = call.actor
    me = Me(
        name=actor.name,
        tenant=actor.tenant_id or None,
        cluster=actor.cluster or None,
        scopes=sorted(actor.scopes),
        permissions=sorted(actor.permissions),
    )
    return Reply(body=me.model_dump_json())  # null tells that there is none


ROUTES = [endpoint("GET", "/v1/me", get_me, needs=Permission.AUTHENTICATED, answer=Me)]
