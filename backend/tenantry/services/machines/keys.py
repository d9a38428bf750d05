"""API keys: made, listed and revoked, each with its audit row in the same transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_network

from tenantry.model import ids
from tenantry.model.audit import AuditEvent
from tenantry.model.credentials import new_token
from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError
from tenantry.model.identity import Actor, ApiKey
from tenantry.model.permissions import SCOPES, Permission
from tenantry.services import answers, caps
from tenantry.services.answers import Once
from tenantry.services.audit.log import event
from tenantry.services.session_check import check_session
from tenantry.services.standing import notice
from tenantry.services.tenancy import find_tenant, require, suspended
from tenantry.storage import audit, changes, keys
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

#: owner of the key that a laptop's kubeconfig carries
LOCAL_ADMIN = "local-admin"
LIFETIME = 90 * 86_400  # seconds; what a key gets that says nothing else


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made. ``token`` is shown this once and stored nowhere."""

    key: ApiKey
    token: str


class Keys:
    """What can be done with API keys."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def create(  # noqa: PLR0913 - one keyword per thing that a key may have
        self,
        actor: Actor,
        name: str,
        scopes: Sequence[str],
        *,
        tenant: str = "",
        owner: str = "",
        supported: Collection[str] = SCOPES,
        needs: Permission = Permission.KEYS_WRITE,
        lifetime: int = LIFETIME,
        allowed_cidrs: Sequence[str] = (),
        once: Once[NewKey] | None = None,
    ) -> NewKey:
        """Make a key of the actor's tenant, of another one where the platform asks, or of the platform.

        Args:
            actor: who asks.
            name: for people.
            scopes: what it may do.
            tenant: name of the tenant that it is bound to: it sees that one and changes nothing of it.
            owner: whom it acts as, when it is not itself: it may what they may at that moment, within its scopes.
            supported: the scopes that are of any use to it.
            needs: the permission to make it: ``SELF`` for a key of the actor's own.
            lifetime: seconds, 0 for ever.
            allowed_cidrs: where it works from; anywhere when empty.
            once: the request, when its answer is to be kept.

        Raises:
            TenantryError: ``FORBIDDEN``, the actor may not make keys or would give more than it has; ``INVALID``;
                ``NOT_FOUND``, there is no such tenant; ``LIMIT_REACHED``.
        """
        require(actor, needs)
        errors = [*check_name(name), *check_scopes(scopes, supported), *_check_networks(allowed_cidrs)]
        if lifetime < 0:
            message = f"Invalid value: {lifetime}: must not be negative"
            errors.append(FieldError("lifetimeSeconds", FieldCode.INVALID, message))
        if errors:
            raise TenantryError(Code.INVALID, "the key is not valid", errors)
        granted = frozenset[Permission]().union(*(SCOPES[scope] for scope in scopes))
        if not granted <= actor.permissions:
            if actor.suspended:
                raise suspended(actor)
            missing = ", ".join(sorted(granted - actor.permissions))
            raise TenantryError(Code.FORBIDDEN, f"a key cannot be given what you do not have yourself: {missing}")
        tenant_id = await self._tenant_id(actor, tenant)
        token, identifier, secret_sha = new_token()
        now = ids.now_micros()
        key = ApiKey(
            id=identifier,
            name=name,
            secret_sha=secret_sha,
            scopes=tuple(scopes),
            owner=owner,
            tenant_id=tenant_id,
            created_by=actor.name,
            created_at=now,
            expires_at=now + lifetime * 1_000_000 if lifetime else 0,
            allowed_cidrs=tuple(allowed_cidrs),
        )
        made = NewKey(key, token)
        return await answers.run(self._db, once, _create, actor, made, _event(actor, "key.create", key, now))

    async def get(self, actor: Actor, identifier: str, *, tenant: str = "") -> ApiKey:
        """The key, of the tenant of that name if one is given; also when it has expired or was revoked.

        Raises:
            TenantryError: ``FORBIDDEN``, ``NOT_FOUND``.
        """
        require(actor, Permission.KEYS_READ)
        return await self._find(actor, identifier, tenant)

    async def revoke(
        self, actor: Actor, identifier: str, once: Once[ApiKey] | None = None, *, tenant: str = ""
    ) -> ApiKey:
        """Take a key back, on every replica within a second; one that was taken back before stays as it is.

        It must be of the tenant of that name, if one is given.

        Raises:
            TenantryError: ``FORBIDDEN``, ``NOT_FOUND``.
        """
        require(actor, Permission.KEYS_WRITE)
        return await self._revoke(actor, await self._find(actor, identifier, tenant), once)

    async def _revoke(self, actor: Actor, key: ApiKey, once: Once[ApiKey] | None) -> ApiKey:
        now = ids.now_micros()
        if key.revoked_at:
            return await answers.keep(self._db, once, key)
        return await answers.run(self._db, once, _revoke, key, now, _event(actor, "key.revoke", key, now))

    async def own(self, actor: Actor, *, after: str = "", limit: int) -> list[ApiKey]:
        """At most ``limit`` of the person's own keys in the active tenant with ids beyond ``after``."""
        return await self._db.run(
            partial(keys.owned, tenant_id=actor.tenant_id, after=after, limit=limit), owner_of(actor)
        )

    async def list(self, actor: Actor, *, tenant: str = "", after: str = "", limit: int = 500) -> list[ApiKey]:
        """The keys of the actor's tenant, of that ``tenant``, or of the platform; the revoked ones too.

        Args:
            actor: who asks.
            tenant: name of a tenant.
            after: only those with ids beyond it.
            limit: how many at most.

        Raises:
            TenantryError: ``FORBIDDEN``; ``NOT_FOUND``, there is no such tenant.
        """
        require(actor, Permission.KEYS_READ)
        tenant_id = await self._tenant_id(actor, tenant)
        return await self._db.run(partial(keys.page, tenant_id=tenant_id, after=after, limit=limit))

    async def get_own(self, actor: Actor, identifier: str) -> ApiKey:
        """A key of the person's own.

        Raises:
            TenantryError: ``NOT_FOUND``.
        """
        key = await self._find(actor, identifier)
        if key.owner != owner_of(actor):
            raise _unknown(identifier)
        return key

    async def revoke_own(self, actor: Actor, identifier: str, once: Once[ApiKey] | None = None) -> ApiKey:
        """Take a key of the person's own back, as :meth:`revoke` does.

        Raises:
            TenantryError: ``NOT_FOUND``.
        """
        return await self._revoke(actor, await self.get_own(actor, identifier), once)

    async def _tenant_id(self, actor: Actor, name: str) -> str:
        """The identity of the tenant of that name, if the actor may see it; the actor's own when ``name`` is empty."""
        return await find_tenant(self._db, actor, name) if name else actor.tenant_id

    async def _find(self, actor: Actor, identifier: str, tenant: str = "") -> ApiKey:
        """The key, if it is one of that tenant, of the actor's, or of any for the platform."""
        tenant_id = await self._tenant_id(actor, tenant)
        key = await self._db.run(keys.get, identifier)
        if key is None or tenant_id not in {"", key.tenant_id}:
            raise _unknown(identifier)
        return key


def owner_of(actor: Actor) -> str:
    """The owner of the keys that are the actor's own."""
    return f"user:{actor.user_id}"


def _unknown(identifier: str) -> TenantryError:
    return TenantryError(Code.NOT_FOUND, f'there is no API key "{identifier}"')


def _create(unit: Unit, actor: Actor, made: NewKey, event: AuditEvent) -> NewKey:
    check_session(unit, actor)
    if made.key.owner != LOCAL_ADMIN:  # of a server that could not start without
        _check_room(unit, made.key)
    keys.insert(unit, made.key)
    audit.append(unit, event)
    return made


def _check_room(unit: Unit, key: ApiKey) -> None:
    tenant_id, now = key.tenant_id, key.created_at
    caps.check(caps.KEYS, keys.count(unit, tenant_id, now))
    if key.owner:
        caps.check(caps.KEYS_OF_ONE, keys.count_owned(unit, key.owner, tenant_id=tenant_id, now=now))


def _revoke(unit: Unit, key: ApiKey, now: int, event: AuditEvent) -> ApiKey:
    if keys.revoke(unit, key.id, now):
        audit.append(unit, event)
        changes.announce(unit, notice(key), at=now)
    return replace(key, revoked_at=now)


def _event(actor: Actor, action: str, key: ApiKey, now: int) -> AuditEvent:
    return event(actor, action, "ApiKey", key.id, at=now, tenant_id=key.tenant_id, message=key.name)


def check_name(name: str) -> list[FieldError]:
    """What is wrong with the name that something is to have."""
    if 0 < len(name) <= 100 and name.isprintable():  # noqa: PLR2004 - said in the message
        return []
    return [FieldError("name", FieldCode.INVALID, "Invalid value: must be 1 to 100 printable characters")]


def check_scopes(scopes: Sequence[str], supported: Collection[str] = SCOPES) -> list[FieldError]:
    """What is wrong with the scopes that something is to have, of those that it can have."""
    if not scopes:
        return [FieldError("scopes", FieldCode.REQUIRED, f"Required value: at least one of {', '.join(supported)}")]
    return [
        FieldError(
            f"scopes[{index}]",
            FieldCode.NOT_SUPPORTED,
            f'Unsupported value: "{scope}": supported values: ' + ", ".join(f'"{known}"' for known in supported),
        )
        for index, scope in enumerate(scopes)
        if scope not in supported
    ]


def _check_networks(cidrs: Sequence[str]) -> list[FieldError]:
    errors = []
    for index, cidr in enumerate(cidrs):
        try:
            ip_network(cidr)
        except ValueError as error:
            errors.append(FieldError(f"allowedCIDRs[{index}]", FieldCode.INVALID, f"Invalid value: {error}"))
    return errors
