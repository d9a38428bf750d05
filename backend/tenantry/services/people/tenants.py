"""What a tenant's owners change of its Tenant themselves: a declared list of fields, the rest is the platform's."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor
from tenantry.model.kinds import TENANT, Address
from tenantry.model.manifest import Document
from tenantry.model.patches import merge_patch
from tenantry.model.permissions import Role
from tenantry.model.resource import Resource
from tenantry.services.people import admins
from tenantry.services.people.invites import NewInvite, may_mail, send
from tenantry.services.people.mail import Mail
from tenantry.services.people.roles import check_grant
from tenantry.services.resources.crud import Options, ResourceService
from tenantry.services.tenancy import find_tenant
from tenantry.services.throttle import Throttle
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

#: field manager of what is changed
MANAGER = "tenantry"


class Tenants:
    """The tenants' own say in their Tenants, over one database.

    Args:
        db: where the invites are.
        resources: where the Tenants are written.
        mail: brings the links of those who are invited.
        throttle: says how many mails are sent.
        url: under which people open our pages.
    """

    def __init__(self, db: Database, resources: ResourceService, mail: Mail, throttle: Throttle, url: str) -> None:
        self._db = db
        self._resources = resources
        self._mail = mail
        self._throttle = throttle
        self._url = url

    async def change(self, actor: Actor, name: str, fields: Document, check: Callable[[str], None]) -> Resource:
        """Merge ``fields`` into the spec of a Tenant; again if somebody else was faster.

        Args:
            actor: who asks; who names ``admins`` must be able to give the role `admin`, with which they are invited:
                by the actor, if they act in the tenant, and else by the platform.
            name: of the Tenant.
            fields: what is to change (RFC 7386): ``displayName``, ``admins``.
            check: gets the ``resourceVersion`` and raises when it is not the one that the caller has seen.

        Raises:
            TenantryError: ``NOT_FOUND``, ``FORBIDDEN``, ``INVALID``, ``TOO_LARGE``; ``LIMIT_REACHED``, of invites;
                ``MANAGED_ELSEWHERE``, a cluster has the Tenant; what ``check`` raises.
        """
        invites_itself = "admins" in fields and bool(actor.tenant_id)
        if "admins" in fields:
            check_grant(actor, Role.ADMIN)
        mailed = await self._mailed(actor, name, fields["admins"] or ()) if invites_itself else set()
        made: list[NewInvite] = []

        def changed(document: Document, patch: Any) -> Document:
            check(document["metadata"]["resourceVersion"])
            return merge_patch(document, {"spec": patch})

        def invite(unit: Unit, before: Resource | None, after: Resource) -> None:
            if invites_itself and before:
                made[:] = admins.follow(unit, actor, before, after, mailed)

        try:
            written = await self._resources.patch(
                actor, Address(TENANT, "", name), changed, fields, Options(manager=MANAGER), beside=invite
            )
        except TenantryError as error:
            if error.code is not Code.INVALID:
                raise
            wrong = [replace(field, path=field.path.removeprefix("spec.")) for field in error.fields]
            raise TenantryError(error.code, error.message, wrong) from error
        for each in made:
            if each.invite.mailed:
                send(self._mail, each, name, self._url)
        return written.resource

    async def _mailed(self, actor: Actor, name: str, texts: Collection[str]) -> set[str]:
        """To whom of those who are listed and were never invited a mail may go."""
        tenant_id, addresses = await find_tenant(self._db, actor, name), admins.read_addresses(texts)
        missing = await self._db.run(admins.uninvited, tenant_id, addresses)
        return {each for each in missing if await may_mail(self._mail, self._throttle, name, each, actor.user_id)}
