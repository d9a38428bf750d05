"""Sign-up: a person makes a tenant and is its owner, in one transaction and with every check that a Tenant has."""

from __future__ import annotations

import logging
from dataclasses import replace

from tenantry.model import ids
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor, Membership, User
from tenantry.model.kinds import PLAN, TENANT
from tenantry.model.permissions import Role
from tenantry.model.resource import API_VERSION, Resource
from tenantry.services import answers, caps
from tenantry.services.answers import Once
from tenantry.services.attempts import retrying
from tenantry.services.audit.log import event
from tenantry.services.resources import candidate, transactions
from tenantry.services.resources.candidate import Candidate, Writer
from tenantry.services.standing import notice
from tenantry.settings import Settings
from tenantry.storage import audit, changes, memberships, resources, tombstones, users
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

#: field manager of what it makes
MANAGER = "tenantry"
#: field of a Tenant -> of the request
_FIELDS = {"metadata.name": "name", "spec.displayName": "displayName"}

logger = logging.getLogger(__name__)


class _NoPlanError(Exception):
    """There is no Plan of the name in the settings."""


class SignUp:
    """Makes tenants for people, as the settings permit."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._policy = settings.sign_up
        self._plan = settings.sign_up_plan

    async def admits(self, actor: Actor) -> bool:
        """Whether the settings let the actor make a tenant."""
        return await self._db.run(_admits_actor, actor, self._policy)

    async def create(self, actor: Actor, name: str, display_name: str, once: Once[Resource] | None = None) -> Resource:
        """Make a tenant of which the person who asks is the owner.

        Raises:
            TenantryError: ``FORBIDDEN``, the settings do not let them; ``LIMIT_REACHED``, they have made enough;
                ``INVALID``; ``ALREADY_EXISTS``, the name is taken; ``NAME_TOMBSTONED``, another has left it;
                ``UNAVAILABLE``, the plan in the settings is missing.
        """
        document = {
            "apiVersion": API_VERSION,
            "kind": TENANT.name,
            "metadata": {"name": name},
            "spec": {"displayName": display_name, "planRef": {"name": self._plan}},
        }
        try:
            new = candidate.create(TENANT, document, "", Writer(manager=MANAGER, now=ids.now_micros()))
        except TenantryError as error:
            fields = [replace(field, path=_FIELDS.get(field.path, field.path)) for field in error.fields]
            raise TenantryError(error.code, error.message, fields) from error
        try:
            return await retrying(
                lambda: answers.run(self._db, once, _create, actor, new, self._policy, self._plan),
                final=Code.ALREADY_EXISTS,
            )
        except _NoPlanError:
            logger.warning(
                'nobody can make a tenant: there is no Plan "%s"; create it, or name another with '
                "TENANTRY_SIGN_UP_PLAN",
                self._plan,
            )
            message = "no tenant can be made here yet, for lack of the plan of new ones: tell who runs the platform"
            raise TenantryError(Code.UNAVAILABLE, message) from None


def _create(unit: Unit, actor: Actor, new: Candidate, policy: str, plan: str) -> Resource:
    user = users.get(unit, actor.user_id)
    if user is None or not _admits(unit, user, policy):
        raise TenantryError(Code.FORBIDDEN, "making a tenant is not open to you here: ask who runs the platform")
    if not user.platform_admin:
        caps.check(caps.TENANTS, memberships.count_signed_up(unit, user.id))
    if tombstones.get(unit, new.resource.name):  # to bring a tenant back is for those who have deleted it
        raise TenantryError(Code.NAME_TOMBSTONED, "the name is kept for a tenant that was deleted: take another")
    if resources.get(unit, PLAN.name, "", plan) is None:
        raise _NoPlanError  # a tenant without a plan is nothing that its owner could mend
    pending = transactions.stage(unit, actor, new, "create")
    tenant, now = pending.resource, pending.at
    if pending.audit and pending.audit.action != "create":
        raise TenantryError(Code.NAME_TOMBSTONED, "a tenant of that name was deleted at this moment: take another")
    membership = Membership(
        tenant_id=tenant.tenant_id,
        user_id=actor.user_id,
        role=Role.OWNER,
        source=memberships.SIGN_UP,
        created_at=now,
        updated_at=now,
    )
    memberships.insert(unit, membership)
    audit.append(
        unit, event(actor, "member.add", "Member", actor.user_id, at=now, tenant_id=tenant.tenant_id, message="owner")
    )
    (stored,) = changes.commit(unit, [pending], [notice(membership)], at=now)
    return stored


def _admits_actor(unit: Unit, actor: Actor, policy: str) -> bool:
    user = users.get(unit, actor.user_id)
    return user is not None and _admits(unit, user, policy)


def _admits(unit: Unit, user: User, policy: str) -> bool:
    if policy == "Open" or user.platform_admin:
        return True
    return policy == "InviteOnly" and any(place.source == "invite" for place in memberships.of_user(unit, user.id))
