"""OAuth clients: made, changed, disabled and deleted, and their secrets replaced without an interruption."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from joserfc.jwk import ECKey, KeySet, RSAKey

from tenantry.model import fielderrors, ids
from tenantry.model.audit import AuditEvent, describe
from tenantry.model.credentials import new_token
from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError
from tenantry.model.identity import Actor
from tenantry.model.oauth import (
    CLIENT_SECRET,
    IDENTITY_SCOPES,
    ClientKind,
    ClientSecret,
    GrantType,
    OAuthClient,
    Registered,
    scopes_for,
)
from tenantry.model.permissions import SCOPES, Permission
from tenantry.services import answers, caps
from tenantry.services.answers import Once
from tenantry.services.audit.log import event
from tenantry.services.machines import workload_places
from tenantry.services.machines.keys import check_name
from tenantry.services.machines.workload_places import Subjects
from tenantry.services.standing import notice
from tenantry.services.tenancy import find_tenant, require
from tenantry.settings import Cluster
from tenantry.storage import audit, changes, clients
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

#: whoever names the client has its keys read, and by one of them a signature verified
MOST_KEYS, MOST_JWKS = 10, 16 * 1024  # characters
_RSA_BITS = range(2048, 4096 + 1)


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A secret that was just made. ``token`` is shown this once and stored nowhere; empty for a client without one."""

    registered: Registered
    token: str


class Clients:
    """What can be done with OAuth clients."""

    def __init__(self, db: Database, clusters: Iterable[Cluster]) -> None:
        self._db = db
        self._subjects = {cluster.name: cluster.subjects for cluster in clusters}

    async def create(
        self, actor: Actor, wanted: OAuthClient, *, tenant: str = "", once: Once[NewSecret] | None = None
    ) -> NewSecret:
        """Make a client of the actor's tenant, of another one where the platform asks, or of the platform.

        Args:
            actor: who asks.
            wanted: what it is to be; its id, tenant and times are made here.
            tenant: name of the tenant whose it is.
            once: the request, when its answer is to be kept.

        Raises:
            TenantryError: ``FORBIDDEN``, the actor may not, or would give more than it has; ``INVALID``; ``NOT_FOUND``;
                ``LIMIT_REACHED``.
        """
        require(actor, Permission.CLIENTS_WRITE)
        tenant_id = await find_tenant(self._db, actor, tenant) if tenant else actor.tenant_id
        now = ids.now_micros()
        client = replace(
            wanted,
            id=new_token()[1],
            tenant_id=tenant_id,
            created_by=actor.name,
            created_at=now,
            updated_at=now,
        )
        _check(actor, client, self._subjects)
        secret, token = (None, "") if client.is_public or client.asserts else _new_secret(client.id, 0, now)
        made = NewSecret(Registered(client, (secret,) if secret else ()), token)
        row = _event(actor, "client.create", client, now, diff=describe({}, _told(client)))
        return await answers.run(self._db, once, _create, actor, made, row)

    async def get(self, actor: Actor, client_id: str) -> Registered:
        """The client and its secrets, without what is secret of them.

        Raises:
            TenantryError: ``FORBIDDEN``, ``NOT_FOUND``.
        """
        require(actor, Permission.CLIENTS_READ)
        return await self._find(actor, client_id)

    async def list(self, actor: Actor, *, tenant: str = "", after: str = "", limit: int = 500) -> list[OAuthClient]:
        """At most ``limit`` clients of the actor's tenant, of that ``tenant``, or of the platform, beyond ``after``.

        Raises:
            TenantryError: ``FORBIDDEN``; ``NOT_FOUND``, there is no such tenant.
        """
        require(actor, Permission.CLIENTS_READ)
        tenant_id = await find_tenant(self._db, actor, tenant) if tenant else actor.tenant_id
        return await self._db.run(partial(clients.page, tenant_id=tenant_id, after=after, limit=limit))

    async def update(self, actor: Actor, before: Registered, wanted: OAuthClient) -> Registered:
        """Write ``wanted`` over ``before``; whose it is stays.

        Raises:
            TenantryError: ``FORBIDDEN``, ``INVALID``; ``CONFLICT``, it has changed meanwhile.
        """
        require(actor, Permission.CLIENTS_WRITE)
        client = replace(wanted, updated_at=max(ids.now_micros(), before.client.updated_at + 1))
        _check(actor, client, self._subjects)
        diff = describe(_told(before.client), _told(client))
        row = _event(actor, "client.update", client, client.updated_at, diff=diff)
        return Registered(await self._db.run(_update, actor, client, before.client, row, write=True), before.secrets)

    async def delete(self, actor: Actor, client_id: str) -> Registered:
        """Delete the client; none of its tokens works any more.

        Raises:
            TenantryError: ``FORBIDDEN``, ``NOT_FOUND``.
        """
        require(actor, Permission.CLIENTS_WRITE)
        found = await self._find(actor, client_id)
        now = ids.now_micros()
        await self._db.run(_delete, found.client, now, _event(actor, "client.delete", found.client, now), write=True)
        return found

    async def add_secret(
        self, actor: Actor, client_id: str, lifetime: int, once: Once[NewSecret] | None = None
    ) -> NewSecret:
        """Give the client one more secret; those that it has go on working. ``lifetime`` in seconds, 0 for ever.

        Raises:
            TenantryError: ``FORBIDDEN``, also when the client has more than the actor, who would have it by the secret;
                ``NOT_FOUND``; ``INVALID``, it can keep none; ``LIMIT_REACHED``.
        """
        require(actor, Permission.CLIENTS_WRITE)
        found = await self._find(actor, client_id)
        _check_rights(actor, found.client)
        if found.client.is_public:
            raise TenantryError(Code.INVALID, "a public client cannot keep a secret")
        now = ids.now_micros()
        secret, token = _new_secret(client_id, lifetime, now)
        made = NewSecret(Registered(found.client, (*found.secrets, secret)), token)
        row = _event(actor, "client.secret.create", found.client, now, secret.id)
        return await answers.run(self._db, once, _add_secret, made, secret, row)

    async def revoke_secret(self, actor: Actor, client_id: str, secret_id: str) -> Registered:
        """Take one of the client's secrets back, on every replica within a second.

        Raises:
            TenantryError: ``FORBIDDEN``, ``NOT_FOUND``.
        """
        require(actor, Permission.CLIENTS_WRITE)
        found = await self._find(actor, client_id)
        now = ids.now_micros()
        row = _event(actor, "client.secret.revoke", found.client, now, secret_id)
        await self._db.run(_revoke_secret, found.client, secret_id, row, write=True)
        return replace(found, secrets=tuple(secret for secret in found.secrets if secret.id != secret_id))

    async def _find(self, actor: Actor, client_id: str) -> Registered:
        """The client, if it is one of the actor's tenant, or of any for the platform."""
        found = await self._db.run(clients.get, client_id)
        if found is None or actor.tenant_id not in {"", found.client.tenant_id}:
            raise _unknown(client_id)
        return found


def _unknown(client_id: str) -> TenantryError:
    return TenantryError(Code.NOT_FOUND, f'there is no OAuth client "{client_id}"')


def _new_secret(client_id: str, lifetime: int, now: int) -> tuple[ClientSecret, str]:
    token, identifier, secret_sha = new_token(CLIENT_SECRET)
    expires_at = now + lifetime * 1_000_000 if lifetime else 0
    return ClientSecret(
        id=identifier, client_id=client_id, secret_sha=secret_sha, created_at=now, expires_at=expires_at
    ), token


def _create(unit: Unit, actor: Actor, made: NewSecret, row: AuditEvent) -> NewSecret:
    client = _placed(unit, actor, made.registered.client)
    caps.check(caps.CLIENTS, clients.count(unit, client.tenant_id))
    made = replace(made, registered=replace(made.registered, client=client))
    clients.insert(unit, client)
    for secret in made.registered.secrets:
        clients.add_secret(unit, secret)
    audit.append(unit, row)
    changes.announce(unit, notice(client), at=row.at)  # its id may have been asked for before
    return made


def _update(unit: Unit, actor: Actor, client: OAuthClient, before: OAuthClient, row: AuditEvent) -> OAuthClient:
    if (client.cluster, client.subject) != (before.cluster, before.subject):
        client = _placed(unit, actor, client)
    if not clients.update(unit, client, before):
        raise TenantryError(Code.CONFLICT, "the client has changed meanwhile: read it again")
    audit.append(unit, row)
    changes.announce(unit, notice(client), at=row.at)
    return client


def _delete(unit: Unit, client: OAuthClient, now: int, row: AuditEvent) -> None:
    if clients.delete(unit, client.id):
        audit.append(unit, row)
        changes.announce(unit, notice(client), at=now)


def _add_secret(unit: Unit, made: NewSecret, secret: ClientSecret, row: AuditEvent) -> NewSecret:
    found = clients.get(unit, secret.client_id)
    if found is None:
        raise _unknown(secret.client_id)
    caps.check(caps.SECRETS, len(found.secrets))
    clients.add_secret(unit, secret)
    audit.append(unit, row)
    changes.announce(unit, notice(made.registered.client), at=row.at)
    return made


def _revoke_secret(unit: Unit, client: OAuthClient, secret_id: str, row: AuditEvent) -> None:
    if not clients.delete_secret(unit, client.id, secret_id):
        raise TenantryError(Code.NOT_FOUND, f'the client has no secret "{secret_id}"')
    audit.append(unit, row)
    changes.announce(unit, notice(client), at=row.at)


def _placed(unit: Unit, actor: Actor, client: OAuthClient) -> OAuthClient:
    """``client`` with whether its workload is given to it; one that may not be its workload is refused."""
    if not client.subject:
        return replace(client, given=False)
    given = workload_places.check(unit, actor, client.tenant_id, client.cluster, client.subject)
    return replace(client, given=given)


def _event(  # noqa: PLR0913, PLR0917 - the parts of a row
    actor: Actor, action: str, client: OAuthClient, now: int, message: str = "", diff: str = "{}"
) -> AuditEvent:
    message = message or client.name
    return event(
        actor, action, "OAuthClient", client.id, at=now, tenant_id=client.tenant_id, message=message, diff=diff
    )


def _told(client: OAuthClient) -> dict[str, object]:
    return {
        "name": client.name,
        "kind": str(client.kind),
        "grantTypes": list(client.grant_types),
        "redirectURIs": list(client.redirect_uris),
        "postLogoutURIs": list(client.post_logout_uris),
        "scopes": list(client.scopes),
        "jwks": client.jwks,
        **({"workload": f"{client.cluster}/{client.subject}"} if client.subject else {}),
        "firstParty": client.first_party,
        "disabled": client.disabled,
    }


def _check(actor: Actor, client: OAuthClient, subjects: Subjects) -> None:
    """Refuse a client that makes no sense, or that would have more than who makes it.

    Raises:
        TenantryError: ``INVALID``, ``FORBIDDEN``.
    """
    errors = [
        *check_name(client.name),
        *_check_scopes(client),
        *_check_grants(client),
        *_check_jwks(client),
        *_check_workload(client, subjects),
    ]
    if errors:
        raise TenantryError(Code.INVALID, "the OAuth client is not valid", errors)
    if client.first_party and actor.tenant_id:
        raise TenantryError(Code.FORBIDDEN, "only the platform can say that a client is one of its own (firstParty)")
    _check_rights(actor, client)


def _check_rights(actor: Actor, client: OAuthClient) -> None:
    """Refuse to let ``actor`` make, change or act as a client that may more than they.

    Raises:
        TenantryError: ``FORBIDDEN``.
    """
    if GrantType.CLIENT_CREDENTIALS in client.grant_types:  # what it does for people is bounded by their own rights
        acts = [SCOPES[scope] for scope in client.scopes if scope not in IDENTITY_SCOPES]
        missing = frozenset[Permission]().union(*acts) - actor.permissions
        if missing:
            listed = ", ".join(sorted(missing))
            raise TenantryError(Code.FORBIDDEN, f"the client has, or would have, rights that you lack: {listed}")


def _check_scopes(client: OAuthClient) -> list[FieldError]:
    known = scopes_for(client.tenant_id)
    return [
        fielderrors.not_supported(f"scopes[{index}]", scope, known)
        for index, scope in enumerate(client.scopes)
        if scope not in known
    ]


def _check_grants(client: OAuthClient) -> list[FieldError]:
    granted, errors = set(client.grant_types), []
    if GrantType.AUTHORIZATION_CODE in granted and not client.redirect_uris:
        message = "Required value: the grant type authorization_code needs one"
        errors.append(FieldError("redirectURIs", FieldCode.REQUIRED, message))
    if client.kind is ClientKind.PUBLIC and GrantType.CLIENT_CREDENTIALS in granted:
        message = "Forbidden: a public client cannot prove itself, so it cannot use client_credentials"
        errors.append(FieldError("grantTypes", FieldCode.FORBIDDEN, message))
    return errors


def _check_jwks(client: OAuthClient) -> list[FieldError]:
    if not client.jwks:
        return []
    if client.is_public:
        return [FieldError("jwks", FieldCode.FORBIDDEN, "Forbidden: a public client has no key of its own")]
    try:
        document: Any = json.loads(client.jwks) if len(client.jwks) <= MOST_JWKS else {}
        keys = KeySet.import_key_set(document).keys if len(document["keys"]) <= MOST_KEYS else []
    except Exception:  # noqa: BLE001 - whatever a stranger's key makes a parser raise, it is a bad key
        keys = []
    good = [
        key
        for key in keys
        if not key.is_private
        and (isinstance(key, ECKey) or (isinstance(key, RSAKey) and key.raw_value.key_size in _RSA_BITS))
    ]
    if keys and len(good) == len(keys):
        return []
    message = (
        f"Invalid value: must be a JSON Web Key Set of public EC keys, or RSA keys of {_RSA_BITS.start} to "
        f"{_RSA_BITS.stop - 1} bits; at most {MOST_KEYS}, in {MOST_JWKS} characters"
    )
    return [FieldError("jwks", FieldCode.INVALID, message)]


def _check_workload(client: OAuthClient, subjects: Subjects) -> list[FieldError]:
    errors = workload_places.problems(client.cluster, client.subject, subjects)
    if client.subject and (client.is_public or client.jwks):
        why = "a public client proves nothing" if client.is_public else "it proves itself with jwks"
        errors.append(FieldError("workload", FieldCode.FORBIDDEN, f"Forbidden: {why}"))
    return errors
