"""Service accounts below ``/v1``: those of a tenant, and those of the platform."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from tenantry.model.fields import Model, View
from tenantry.model.identity import ServiceAccount, UserStatus
from tenantry.model.permissions import Permission, Role, permissions_of
from tenantry.model.resource import timestamp
from tenantry.services.machines.keys import NewKey
from tenantry.services.machines.service_accounts import Wanted
from tenantry.web.routes import Route
from tenantry.web.v1.conventions import Call, Nothing, PageQuery, Reply, endpoint
from tenantry.web.v1.keys import CreatedKey, KeyList, NewKeyBody, created_key, view
from tenantry.web.v1.workloads import Workload, WorkloadView, view_workload


class NewServiceAccount(Model):
    """What a service account is to be."""

    name: Annotated[str, Field(max_length=63)]
    """Name, unique in its tenant."""
    role: Annotated[Role | None, Field(strict=False)] = None
    """What one of a tenant may do; at most what the caller may do."""
    scopes: Annotated[list[Annotated[str, Field(max_length=63)]], Field(max_length=16)] = Field(default=[])
    """What one of the platform may do; at most what the caller may do."""
    workload: Workload | None = None
    """The Kubernetes ServiceAccount that it is. A tenant may name those of its own namespaces."""


class ServiceAccountChange(Model):
    """What is to change; what is left out stays."""

    role: Annotated[Role | None, Field(strict=False)] = None
    """What one of a tenant may do; at most what the caller may do."""
    state: Annotated[UserStatus | None, Field(strict=False)] = None
    """`Disabled` stops its keys and tokens within a second, until it is `Active` again."""


class ServiceAccountView(View):
    """A program with rights of its own."""

    id: str
    """Identity, which stays."""
    name: str
    """Name, unique in its tenant."""
    role: Role | None = None
    """What one of a tenant may do."""
    scopes: list[str] | None = None
    """What one of the platform may do."""
    state: UserStatus
    """Whether its keys and tokens work."""
    workload: WorkloadView | None = None
    """The Kubernetes ServiceAccount that it is."""
    created_by: str
    """Who made it."""
    created_at: str
    """When, as RFC 3339."""


class CreatedServiceAccountKey(CreatedKey):
    """A new API key of a service account, with its secret."""

    permissions: list[str]
    """What its scopes and the rights of the service account share now: what it may do while the account and its tenant
    are active."""


class ServiceAccountList(View):
    """A page of service accounts, ordered by id."""

    items: list[ServiceAccountView]
    """The service accounts."""
    next: str | None = None
    """The cursor of the next page, when there is one."""


async def create_service_account(call: Call[Nothing, NewServiceAccount]) -> Reply:
    """Make a service account."""

    def created(made: ServiceAccount) -> Reply:
        return Reply(body=_view(made), etag=_etag(made), location=f"{_list(call)}/{made.id}")

    body, workload = call.body, call.body.workload
    wanted = Wanted(
        name=body.name,
        role=body.role,
        scopes=body.scopes,
        cluster=workload.cluster if workload else "",
        subject=workload.subject if workload else "",
    )
    made = await call.services.service_accounts.create(call.actor, _tenant(call), wanted, call.once(created))
    return created(made)


async def list_service_accounts(call: Call[PageQuery, Nothing]) -> Reply:
    """List service accounts."""
    limit = call.query.limit
    found = await call.services.service_accounts.list(call.actor, _tenant(call), after=call.after(), limit=limit + 1)
    page, cursor = call.page(found, limit, lambda account: account.id)
    return Reply(body=ServiceAccountList(items=[_view(account) for account in page], next=cursor))


async def get_service_account(call: Call[Nothing, Nothing]) -> Reply:
    """Get a service account."""
    return _reply(await call.services.service_accounts.get(call.actor, _tenant(call), call.path["id"]))


async def update_service_account(call: Call[Nothing, ServiceAccountChange]) -> Reply:
    """Change the role of a service account, disable or enable it.

    `If-Match` takes its ETag.
    """
    changed = await call.services.service_accounts.change(
        call.actor,
        _tenant(call),
        call.path["id"],
        call.body.role,
        call.body.state,
        lambda account: call.check_match(_etag(account)),
    )
    return _reply(changed)


async def delete_service_account(call: Call[Nothing, Nothing]) -> Reply:
    """Delete a service account.

    Its keys are revoked. `If-Match` takes its ETag.
    """
    deleted = await call.services.service_accounts.delete(
        call.actor, _tenant(call), call.path["id"], lambda account: call.check_match(_etag(account))
    )
    return Reply(body=_view(deleted))


async def create_service_account_key(call: Call[Nothing, NewKeyBody]) -> Reply:
    """Make an API key by which a service account acts.

    It may what the service account may at that moment, within its scopes: those that its role does not bring wait for
    one that does. In a tenant none of them is of the platform, and on the platform each shares something with those of
    the account. Its token is shown this once. It is revoked like any other key, below `/v1/keys`.
    """
    body = call.body
    account = await call.services.service_accounts.get(call.actor, _tenant(call), call.path["id"])

    def created(made: NewKey) -> Reply:
        body = CreatedServiceAccountKey(
            key=view(made.key),
            token=made.token,
            permissions=sorted(account.permissions() & permissions_of(made.key.scopes)),
        )
        return replace(created_key(made), body=body)

    made = await call.services.service_accounts.create_key(
        call.actor,
        _tenant(call),
        account,
        body.name,
        body.scopes,
        lifetime=body.lifetime_seconds,
        allowed_cidrs=body.allowed_cidrs,
        once=call.once(created),
    )
    return created(made)


async def list_service_account_keys(call: Call[PageQuery, Nothing]) -> Reply:
    """List the API keys of a service account.

    Those that have expired or were revoked are among them.
    """
    limit = call.query.limit
    found = await call.services.service_accounts.keys(
        call.actor, _tenant(call), call.path["id"], after=call.after(), limit=limit + 1
    )
    page, cursor = call.page(found, limit, lambda key: key.id)
    return Reply(body=KeyList(items=[view(key) for key in page], next=cursor))


def _tenant(call: Call[Any, Any]) -> str:
    return call.path.get("tenant", "")


def _list(call: Call[Any, Any]) -> str:
    tenant = _tenant(call)
    return f"/v1/tenants/{tenant}/service-accounts" if tenant else "/v1/service-accounts"


def _reply(account: ServiceAccount) -> Reply:
    return Reply(body=_view(account), etag=_etag(account))


def _etag(account: ServiceAccount) -> str:
    return str(account.updated_at)


def _view(account: ServiceAccount) -> ServiceAccountView:
    return ServiceAccountView(
        id=account.id,
        name=account.name,
        role=account.role,
        scopes=None if account.role else list(account.scopes),
        state=account.status,
        workload=view_workload(account.cluster, account.subject, given=account.given),
        created_by=account.created_by,
        created_at=timestamp(account.created_at),
    )


def _routes(path: str, of: str) -> list[Route]:
    """The routes of the service accounts at ``path``; ``of`` tells the operations of one home from the other's."""
    reads, writes, one = Permission.SERVICE_ACCOUNTS_READ, Permission.SERVICE_ACCOUNTS_WRITE, f"{path}/{{id}}"
    new, answer = NewServiceAccount, ServiceAccountView
    change = ServiceAccountChange
    found = [
        endpoint("POST", path, create_service_account, needs=writes, answer=answer, body=new, status=201),
        endpoint("GET", path, list_service_accounts, needs=reads, answer=ServiceAccountList, query=PageQuery),
        endpoint("GET", one, get_service_account, needs=reads, answer=answer),
        endpoint("PATCH", one, update_service_account, needs=writes, answer=answer, body=change, conditional=True),
        endpoint("DELETE", one, delete_service_account, needs=writes, answer=answer, conditional=True),
        endpoint(
            "POST",
            f"{one}/keys",
            create_service_account_key,
            needs=writes,
            answer=CreatedServiceAccountKey,
            body=NewKeyBody,
            status=201,
        ),
        endpoint("GET", f"{one}/keys", list_service_account_keys, needs=reads, answer=KeyList, query=PageQuery),
    ]
    return [
        replace(route, operation=replace(route.operation, name=route.operation.name + of))
        for route in found
        if route.operation
    ]


ROUTES = [*_routes("/v1/tenants/{tenant}/service-accounts", "OfTenant"), *_routes("/v1/service-accounts", "")]
