"""Tenants below ``/v1``, as far as their owners change them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tenantry.model.fields import Model
from tenantry.model.kinds import TENANT
from tenantry.model.permissions import Permission
from tenantry.model.tenant import MOST_ADMINS
from tenantry.web.routes import Whole
from tenantry.web.v1.conventions import Call, Nothing, Reply, endpoint
from tenantry.web.v1.objects import own_path, whole


class TenantChange(Model):
    """What is to change of a Tenant's spec (RFC 7386); what is left out stays."""

    display_name: Annotated[str, Field(max_length=1024)] | None = None
    """Name of the customer as people write it."""
    admins: Annotated[list[Annotated[str, Field(max_length=1024)]], Field(max_length=MOST_ADMINS)] | None = None
    """E-mail addresses of the first administrators, all of them: who is new is invited, by the caller if they act
    in the tenant, and an invite that still waits for who is not there any more is taken back. `null` for none."""


async def change_tenant(call: Call[Nothing, TenantChange]) -> Reply:
    """Change what a tenant's owners decide of it.

    All else is the platform's to write, at the Kubernetes path. To name `admins` takes the right to give the role
    `admin`. A Tenant that a cluster manages is changed there. `If-Match` takes the ETag of the Tenant.
    """
    fields = call.body.model_dump(by_alias=True, exclude_unset=True)
    return whole(await call.services.tenants.change(call.actor, call.path["name"], fields, call.check_match))


ROUTES = [
    endpoint(
        "PATCH",
        own_path(TENANT),
        change_tenant,
        needs=Permission.TENANTS_WRITE,
        answer=Whole(TENANT),
        body=TenantChange,
        conditional=True,
    )
]
