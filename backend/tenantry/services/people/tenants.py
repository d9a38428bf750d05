"""What a tenant's owners change of its Tenant themselves: a declared list of fields, the rest is the platform's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor
from tenantry.model.kinds import TENANT, Address
from tenantry.model.manifest import Document
from tenantry.model.patches import merge_patch
from tenantry.model.permissions import Role
from tenantry.model.resource import Resource
from tenantry.services.people.members import check_grant
from tenantry.services.resources.crud import Options, ResourceService

#: field manager of what is changed
MANAGER = "tenantry"


class Tenants:
    """The tenants' own say in their Tenants."""

    def __init__(self, resources: ResourceService) -> None:
        self._resources = resources

    async def change(self, actor: Actor, name: str, fields: Document, check: Callable[[str], None]) -> Resource:
        """Merge ``fields`` into the spec of a Tenant; again if somebody else was faster.

        Args:
            actor: who asks; who names ``admins`` must be able to give the role `admin`, with which they are invited.
            name: of the Tenant.
            fields: what is to change (RFC 7386): ``displayName``, ``admins``.
            check: gets the ``resourceVersion`` and raises when it is not the one that the caller has seen.

        Raises:
            TenantryError: ``NOT_FOUND``, ``FORBIDDEN``, ``INVALID``, ``TOO_LARGE``; ``MANAGED_ELSEWHERE``, a cluster
                has the Tenant; what ``check`` raises.
        """
        if "admins" in fields:
            check_grant(actor, Role.ADMIN)

        def changed(document: Document, patch: Any) -> Document:
            check(document["metadata"]["resourceVersion"])
            return merge_patch(document, {"spec": patch})

        try:
            written = await self._resources.patch(
                actor, Address(TENANT, "", name), changed, fields, Options(manager=MANAGER)
            )
        except TenantryError as error:
            if error.code is not Code.INVALID:
                raise
            wrong = [replace(field, path=field.path.removeprefix("spec.")) for field in error.fields]
            raise TenantryError(error.code, error.message, wrong) from error
        return written.resource
