"""What the bearer of a good credential may do now: computed from what stands, never from the credential alone."""

from __future__ import annotations

from dataclasses import replace

from tenantry.model.identity import (
    SEVERAL_FACTORS,
    Actor,
    ApiKey,
    ServiceAccount,
    Session,
    TenantStanding,
    User,
    UserStatus,
)
from tenantry.model.oauth import AccessToken, OAuthClient
from tenantry.model.permissions import (
    OF_TENANTS,
    READS,
    ROLES,
    SCOPES,
    Permission,
    Role,
    permissions_for,
    permissions_of,
)
from tenantry.services.machines.keys import LOCAL_ADMIN
from tenantry.services.machines.workloads import Workload
from tenantry.services.refusals import refusal
from tenantry.services.standing import Standing

_SIGNED_IN = frozenset({Permission.AUTHENTICATED, Permission.SELF})
_PLATFORM_ADMIN = SCOPES["platform:admin"] | _SIGNED_IN
_ADMINISTRATORS = frozenset({Role.OWNER, Role.ADMIN})


class Rights:
    """Computes them from the memory view of one process.

    Args:
        standing: what they rest on.
        second_factor: who must have one, as in the settings.
    """

    def __init__(self, standing: Standing, second_factor: str) -> None:
        self._standing = standing
        self._second_factor = second_factor

    async def of_session(self, actor: Actor, user: User, session: Session) -> Actor:
        """``actor`` as who is signed in; without the second factor that they must have, nothing but to turn it on."""
        person = await self.as_person(actor, user, session.tenant_id)
        if self._is_enough(user, person.role, session.amr):
            return person
        return replace(person, permissions=frozenset({Permission.SIGNED_IN}))

    async def of_key(self, key: ApiKey) -> Actor:
        """Who bears ``key``: itself, or whoever it acts as, with the rights that they have now.

        Raises:
            RefusedError: whom it acts as is not there any more.
        """
        actor = bearer_of(key)
        kind, _, owner = key.owner.partition(":")
        if kind == "user":
            return await self._of_persons_key(key, actor, owner)
        if kind == "service-account":
            account = await self._standing.service_account(owner)
            if account is None:
                raise refusal("key", "revoked", "the service account whose key it is was deleted", actor)
            return await self.as_service_account(actor, account)
        if not key.tenant_id:
            return actor
        return self._within(actor, key.tenant_id, await self._standing.tenant(key.tenant_id))

    async def _of_persons_key(self, key: ApiKey, actor: Actor, user_id: str) -> Actor:
        user = await self._standing.user(user_id)
        if user is None or user.status is not UserStatus.ACTIVE:
            raise refusal("key", "disabled", "the user whose key it is is disabled", actor)
        person = await self.as_person(replace(actor, user_id=user_id), user, key.tenant_id)
        if key.tenant_id and person.role is None:
            raise refusal("key", "revoked", "the user whose key it is is no member of its tenant any more", actor)
        return replace(person, permissions=person.permissions & actor.permissions)

    async def of_token(self, token: AccessToken) -> Actor:
        """Who sends an access token: a client, or a person through one; what that may do now, within its scopes."""
        actor = Actor(
            name=f"user:{token.user_id}" if token.user_id else f"client:{token.client_id}",
            groups=("system:authenticated",),
            user_id=token.user_id,
            client_id=token.client_id,
        )
        client = await self._check_grant(token, actor)
        actor = replace(actor, scopes=token.scopes & frozenset(client.scopes))
        if token.user_id:
            within = permissions_for(actor.scopes, token.tenant_id)
            user = await self._standing.user(token.user_id)
            if user is None or user.auth_version != token.auth_version:
                raise refusal("token", "revoked", "the access was ended: sign in again", actor)
            if user.status is not UserStatus.ACTIVE:
                raise refusal("token", "disabled", "the user is disabled", actor)
            person = await self.as_person(actor, user, token.tenant_id)
            if not self._is_enough(user, person.role, token.amr):
                message = "the access was granted without the second factor that is needed now: sign in again"
                raise refusal("token", "revoked", message, actor)
            return replace(person, permissions=person.permissions & within)
        actor = replace(actor, permissions=permissions_of(actor.scopes))
        if not token.tenant_id:
            return actor
        return self._within(actor, token.tenant_id, await self._standing.tenant(token.tenant_id))

    async def _check_grant(self, token: AccessToken, actor: Actor) -> OAuthClient:
        """The client of a token; one that was taken back itself is refused, or whose client, grant or session was."""
        registered = await self._standing.client(token.client_id)
        if registered is None or registered.client.disabled:
            raise refusal("token", "disabled", "the client is disabled or gone", actor)
        for identifier in filter(None, (token.jti, token.grant_id)):
            if await self._standing.revocation(identifier):
                raise refusal("token", "revoked", "the access was taken back", actor)
        if token.session_id:
            session = await self._standing.session(token.session_id)
            if session is None or session.revoked_at:
                raise refusal("token", "revoked", "the session was ended: sign in again", actor)
        return registered.client

    async def as_service_account(self, actor: Actor, account: ServiceAccount) -> Actor:
        """``actor`` as that service account: with what it may, within the scopes of a key."""
        if account.status is not UserStatus.ACTIVE:
            raise refusal(_method(actor), "disabled", "the service account is disabled", actor)
        permissions = account.permissions()
        actor = replace(
            actor,
            name=f"service-account:{account.id}",
            role=account.role,
            scopes=actor.scopes or frozenset(account.scopes),
            permissions=permissions & actor.permissions if actor.scopes else permissions,
        )
        if not account.tenant_id:
            return actor
        return self._within(actor, account.tenant_id, await self._standing.tenant(account.tenant_id))

    async def as_person(self, actor: Actor, user: User, tenant_id: str) -> Actor:
        """``actor`` with what ``user`` may: in a tenant by their role there, without one as platform administrator."""
        if not tenant_id:
            return replace(actor, permissions=_PLATFORM_ADMIN if user.platform_admin else _SIGNED_IN)
        membership = await self._standing.membership(tenant_id, user.id)
        tenant = await self._standing.tenant(tenant_id)
        if membership is None or tenant is None:  # no longer a member, or no such tenant any more
            return replace(actor, permissions=_SIGNED_IN)
        member = replace(actor, role=membership.role, permissions=ROLES[membership.role] | _SIGNED_IN)
        return self._within(member, tenant_id, tenant)

    def _is_enough(self, user: User, role: Role | None, amr: tuple[str, ...]) -> bool:
        """Whether a person who acts in ``role`` has proved who they are by as much as the settings ask for."""
        if self._second_factor == "Optional" or SEVERAL_FACTORS in amr:
            return True
        return self._second_factor == "Administrators" and not user.platform_admin and role not in _ADMINISTRATORS

    @staticmethod
    def _within(actor: Actor, tenant_id: str, tenant: TenantStanding | None) -> Actor:
        """``actor`` bound to a tenant, as that is now."""
        permissions = actor.permissions & (OF_TENANTS | {Permission.SELF})
        if tenant is None:  # it is gone, and may come back: nothing is made in it meanwhile that would be there then
            permissions &= READS
        suspension = ""
        if tenant is not None and tenant.mode:
            suspension = tenant.reason or "no reason is given"
            # who is signed in must be able to go to another tenant
            permissions &= READS | {Permission.SELF} if tenant.mode == "ReadOnly" else {Permission.SELF}
        rate = tenant.rate if tenant else None
        return replace(actor, tenant_id=tenant_id, permissions=permissions, suspended=suspension, rate=rate)


def bearer_of(key: ApiKey) -> Actor:
    """Who has ``key`` in their hands, and what it lets through."""
    scopes = frozenset(key.scopes)
    return Actor(
        name=LOCAL_ADMIN if key.owner == LOCAL_ADMIN else f"key:{key.id}",
        groups=("system:authenticated",),
        scopes=scopes,
        permissions=permissions_of(scopes),
        tenant_id=key.tenant_id,
    )


def actor_of(workload: Workload) -> Actor:
    """The ServiceAccount itself, and what the settings let it do."""
    scopes = frozenset(workload.scopes or ())
    _, _, namespace, name = workload.subject.split(":")
    return Actor(
        name=f"serviceaccount:{workload.cluster}:{namespace}:{name}",
        groups=("system:authenticated",),
        scopes=scopes,
        permissions=permissions_of(scopes),
        cluster=workload.cluster,
        namespace=namespace,
    )


def _method(actor: Actor) -> str:
    return "serviceaccount" if actor.cluster else "key"
