"""Service accounts: programs with rights of their own, which act by keys or as workloads of a cluster."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from tenantry.model import ids
from tenantry.model.audit import describe
from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError
from tenantry.model.identity import Actor, ApiKey, ServiceAccount, UserStatus
from tenantry.model.permissions import OF_THE_PLATFORM, SCOPES, Permission, Role
from tenantry.services import answers, caps
from tenantry.services.answers import Once
from tenantry.services.attempts import retrying
from tenantry.services.audit.log import event
from tenantry.services.machines import workload_places
from tenantry.services.machines.keys import Keys, NewKey, check_scopes
from tenantry.services.machines.workload_places import Subjects
from tenantry.services.standing import notice, notices_of
from tenantry.services.tenancy import find_tenant
from tenantry.settings import Cluster
from tenantry.storage import audit, changes, keys, service_accounts
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_ALL = 2**31

Check = Callable[[ServiceAccount], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a new service account is to be: in a tenant it has a role, for the platform it has scopes.

    ``cluster`` and ``subject`` name the workload that it is, if any.
    """

    name: str
    role: Role | None = None
    scopes: Sequence[str] = ()
    cluster: str = ""
    subject: str = ""


class ServiceAccounts:
    """The service accounts of all tenants and of the platform, over one database."""

    def __init__(self, db: Database, made: Keys, clusters: Iterable[Cluster]) -> None:
        self._db = db
        self._keys = made
        self._subjects = {cluster.name: cluster.subjects for cluster in clusters}

    async def create(
        self, actor: Actor, tenant: str, wanted: Wanted, once: Once[ServiceAccount] | None = None
    ) -> ServiceAccount:
        """Make a service account of the tenant of that name; of the platform, or the actor's tenant, when empty.

        Raises:
            TenantryError: ``NOT_FOUND``; ``INVALID``; ``FORBIDDEN``, it would have more rights than the actor;
                ``ALREADY_EXISTS``, the name or the workload is taken; ``LIMIT_REACHED``.
        """
        tenant_id = await self._tenant_id(actor, tenant)
        if wrong := _problems(wanted, tenant_id, self._subjects):
            raise TenantryError(Code.INVALID, "the service account is not valid", wrong)
        now = ids.now_micros()
        account = ServiceAccount(
            id=ids.uuid7(),
            tenant_id=tenant_id,
            name=wanted.name,
            role=wanted.role,
            scopes=tuple(wanted.scopes),
            cluster=wanted.cluster,
            subject=wanted.subject,
            created_by=actor.name,
            created_at=now,
            updated_at=now,
        )
        _check_rights(actor, account)
        return await answers.run(self._db, once, _create, actor, account)

    async def get(self, actor: Actor, tenant: str, account_id: str) -> ServiceAccount:
        """One of them.

        Raises:
            TenantryError: ``NOT_FOUND``.
        """
        tenant_id = await self._tenant_id(actor, tenant)
        found = await self._db.run(service_accounts.get, account_id)
        if found is None or found.tenant_id != tenant_id:
            raise _unknown(account_id)
        return found

    async def change(  # noqa: PLR0913, PLR0917 - what it is about, and what is to change of it
        self,
        actor: Actor,
        tenant: str,
        account_id: str,
        role: Role | None,
        status: UserStatus | None,
        check: Check,
    ) -> ServiceAccount:
        """Give it another role, disable or enable it; None leaves things as they are.

        Raises:
            TenantryError: ``NOT_FOUND``, ``FORBIDDEN``; ``INVALID``, one of the platform has no role.
        """

        async def attempt() -> ServiceAccount:
            before = await self.get(actor, tenant, account_id)
            if role and not before.tenant_id:
                wrong = FieldError("role", FieldCode.FORBIDDEN, "Forbidden: one of the platform has scopes")
                raise TenantryError(Code.INVALID, "the service account is not valid", [wrong])
            check(before)
            after = replace(before, role=role or before.role, status=status or before.status)
            _check_rights(actor, before)
            _check_rights(actor, after)
            if after == before:
                return before
            after = replace(after, updated_at=max(ids.now_micros(), before.updated_at + 1))
            return await self._db.run(_update, actor, before, after, write=True)

        return await retrying(attempt)

    async def delete(self, actor: Actor, tenant: str, account_id: str, check: Check) -> ServiceAccount:
        """Delete it, and revoke its keys.

        Raises:
            TenantryError: ``NOT_FOUND``, ``FORBIDDEN``.
        """
        found = await self.get(actor, tenant, account_id)
        check(found)
        _check_rights(actor, found)
        await self._db.run(_delete, actor, found, write=True)
        return found

    async def create_key(  # noqa: PLR0913 - one keyword per thing that a key may have
        self,
        actor: Actor,
        tenant: str,
        account: ServiceAccount,
        name: str,
        scopes: Sequence[str],
        *,
        lifetime: int,
        allowed_cidrs: Sequence[str],
        once: Once[NewKey] | None = None,
    ) -> NewKey:
        """Make a key by which it acts, within ``scopes``, of which each is one of :func:`_usable`.

        Raises:
            TenantryError: as of :meth:`Keys.create`.
        """
        return await self._keys.create(
            actor,
            name,
            scopes,
            tenant=tenant,
            owner=owner_of(account),
            supported=_usable(account),
            needs=Permission.SERVICE_ACCOUNTS_WRITE,
            lifetime=lifetime,
            allowed_cidrs=allowed_cidrs,
            once=once,
        )

    async def keys(self, actor: Actor, tenant: str, account_id: str, *, after: str, limit: int) -> list[ApiKey]:
        """At most ``limit`` of its keys with ids beyond ``after``, the revoked ones too.

        Raises:
            TenantryError: ``NOT_FOUND``.
        """
        found = await self.get(actor, tenant, account_id)
        page = partial(keys.owned, tenant_id=found.tenant_id, after=after, limit=limit)
        return await self._db.run(page, owner_of(found))

    async def list(self, actor: Actor, tenant: str, *, after: str = "", limit: int) -> list[ServiceAccount]:
        """At most ``limit`` of them with ids beyond ``after``; whose, as of :meth:`create`.

        Raises:
            TenantryError: ``NOT_FOUND``.
        """
        tenant_id = await self._tenant_id(actor, tenant)
        return await self._db.run(partial(service_accounts.page, tenant_id=tenant_id, after=after, limit=limit))

    async def _tenant_id(self, actor: Actor, name: str) -> str:
        return await find_tenant(self._db, actor, name) if name else actor.tenant_id


def owner_of(account: ServiceAccount) -> str:
    """The owner of its keys."""
    return f"service-account:{account.id}"


def _usable(account: ServiceAccount) -> list[str]:
    """The scopes that a key of it may have: in a tenant none of the platform's, and else those that it shares."""
    if account.tenant_id:
        return [scope for scope in SCOPES if scope not in OF_THE_PLATFORM]
    return [scope for scope, brings in SCOPES.items() if brings & account.permissions()]


def _problems(wanted: Wanted, tenant_id: str, subjects: Subjects) -> list[FieldError]:
    found = []
    if not _NAME.fullmatch(wanted.name):
        message = "Invalid value: must be 1 to 63 lower case letters, digits and hyphens, such as ci"
        found.append(FieldError("name", FieldCode.INVALID, message))
    if tenant_id:
        if wanted.role is None:
            found.append(
                FieldError("role", FieldCode.REQUIRED, "Required value: in a tenant its role says what it may do")
            )
        if wanted.scopes:
            message = "Forbidden: in a tenant its role says what it may do; leave them out"
            found.append(FieldError("scopes", FieldCode.FORBIDDEN, message))
    else:
        if wanted.role is not None:
            found.append(FieldError("role", FieldCode.FORBIDDEN, "Forbidden: one of the platform has scopes"))
        found += check_scopes(wanted.scopes)
    found += workload_places.problems(wanted.cluster, wanted.subject, subjects)
    return found


def _create(unit: Unit, actor: Actor, account: ServiceAccount) -> ServiceAccount:
    caps.check(caps.SERVICE_ACCOUNTS, service_accounts.count(unit, account.tenant_id))
    if account.subject:
        given = workload_places.check(unit, actor, account.tenant_id, account.cluster, account.subject)
        account = replace(account, given=given)
    if not service_accounts.insert(unit, account):
        raise TenantryError(Code.ALREADY_EXISTS, f'there is a service account "{account.name}" already')
    if account.subject and not service_accounts.claim(unit, account):
        raise TenantryError(Code.ALREADY_EXISTS, f"{account.subject} is another service account already")
    _note(unit, actor, "service-account.create", account, describe({}, _told(account)))
    return account


def _update(unit: Unit, actor: Actor, before: ServiceAccount, after: ServiceAccount) -> ServiceAccount:
    if not service_accounts.update(unit, after, before):
        raise TenantryError(Code.CONFLICT, "it has changed meanwhile; try again", raced=True)
    _note(unit, actor, "service-account.update", after, describe(_told(before), _told(after)))
    return after


def _delete(unit: Unit, actor: Actor, account: ServiceAccount) -> None:
    if not service_accounts.delete(unit, account):
        raise _unknown(account.id)
    now = ids.now_micros()
    own = keys.owned(unit, owner_of(account), tenant_id=account.tenant_id, limit=_ALL)
    gone = [notice(key) for key in own if keys.revoke(unit, key.id, now)]
    row = event(
        actor, "service-account.delete", "ServiceAccount", account.id, at=now, tenant_id=account.tenant_id,
        message=account.name,
    )  # fmt: skip
    audit.append(unit, row)
    changes.announce(unit, *notices_of(account), *gone, at=now)


def _note(unit: Unit, actor: Actor, action: str, account: ServiceAccount, diff: str) -> None:
    row = event(
        actor, action, "ServiceAccount", account.id, at=account.updated_at, tenant_id=account.tenant_id,
        message=account.name, diff=diff,
    )  # fmt: skip
    audit.append(unit, row)
    changes.announce(unit, *notices_of(account), at=account.updated_at)


def _check_rights(actor: Actor, account: ServiceAccount) -> None:
    """Refuse to let ``actor`` make, change or delete one that may more than they."""
    missing = account.permissions() - actor.permissions
    if missing:
        listed = ", ".join(sorted(missing))
        raise TenantryError(Code.FORBIDDEN, f"the service account has, or would have, rights that you lack: {listed}")


def _told(account: ServiceAccount) -> dict[str, object]:
    workload = {"workload": f"{account.cluster}/{account.subject}"} if account.subject else {}
    rights = {"role": str(account.role)} if account.role else {"scopes": list(account.scopes)}
    return {"state": str(account.status), **rights, **workload}


def _unknown(account_id: str) -> TenantryError:
    return TenantryError(Code.NOT_FOUND, f'there is no service account "{account_id}"')
