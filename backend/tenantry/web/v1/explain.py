"""Explanations below ``/v1``."""

from __future__ import annotations

from tenantry.model.explanation import Explanation
from tenantry.model.permissions import Permission
from tenantry.web.v1.conventions import Call, Nothing, Reply, endpoint


async def explain_tenant(call: Call[Nothing, Nothing]) -> Reply:
    """Tell why a tenant is ready or not, what applies to it, and what to do next."""
    return Reply(body=await call.services.explain.tenant(call.actor, call.path["name"]))


ROUTES = [
    endpoint("GET", "/v1/tenants/{name}/explain", explain_tenant, needs=Permission.RESOURCES_READ, answer=Explanation),
]
