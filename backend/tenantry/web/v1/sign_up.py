"""Sign-up of a tenant below ``/v1``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tenantry.model.fields import Model
from tenantry.model.kinds import TENANT
from tenantry.model.permissions import Permission
from tenantry.web.routes import Whole
from tenantry.web.v1.conventions import Call, Nothing, Reply, endpoint
from tenantry.web.v1.objects import whole


class NewTenant(Model):
    """The tenant that somebody makes for themselves."""

    name: Annotated[str, Field(max_length=63)]
    """Name, unique among all tenants, as paths and hostnames have it."""
    display_name: Annotated[str, Field(max_length=1024)]
    """For people."""


async def sign_up(call: Call[Nothing, NewTenant]) -> Reply:
    """Make a tenant, and be its owner.

    It is on the plan that the settings name. Who may do so is a setting too: everybody who has an account, who was
    invited somewhere before, or platform administrators alone. `POST /v1/me/tenant` makes it the active one.
    """
    made = await call.services.sign_up.create(call.actor, call.body.name, call.body.display_name, call.once(whole))
    return whole(made)


ROUTES = [
    endpoint("POST", "/v1/tenants", sign_up, needs=Permission.SELF, answer=Whole(TENANT), body=NewTenant, status=201)
]
