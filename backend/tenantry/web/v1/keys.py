"""API keys below ``/v1``."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from tenantry.model import ids
from tenantry.model.fields import Model, View
from tenantry.model.identity import ApiKey
from tenantry.model.permissions import SCOPES, Permission
from tenantry.model.resource import timestamp
from tenantry.services.machines.keys import LIFETIME, NewKey
from tenantry.web.routes import Route
from tenantry.web.v1.conventions import Call, Nothing, PageQuery, Reply, endpoint

_CENTURY = 100 * 365 * 86_400  # seconds
_PATH = "/v1/keys"


def _printable(name: str) -> str:
    if name.isprintable():
        return name
    raise PydanticCustomError("printable", "must be printable characters")


def _network(cidr: str) -> str:
    try:
        ip_network(cidr)
    except ValueError as error:
        raise PydanticCustomError("network", "{why}", {"why": str(error)}) from None
    return cidr


_SCOPES = tuple(SCOPES)
# mypy wants to see each value written out; pydantic takes those of the table
_Scopes = Annotated[list[Literal[_SCOPES]], Field(min_length=1, max_length=16)]  # type: ignore[valid-type]
_Network = Annotated[str, Field(max_length=49), AfterValidator(_network)]


class NewKeyBody(Model):
    """What a new key is to be."""

    name: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_printable)]
    """For people: whose it is, or what for."""
    scopes: _Scopes
    """What it may do; at most what the caller may do."""
    lifetime_seconds: Annotated[int, Field(ge=0, le=_CENTURY)] = LIFETIME
    """How long it works; 0 for ever."""
    allowed_cidrs: Annotated[list[_Network], Field(max_length=64)] = Field(default=[], alias="allowedCIDRs")
    """Networks that it works from; any when empty."""


class KeyBody(NewKeyBody):
    """What a new key is to be, and whose."""

    tenant: Annotated[str, Field(max_length=63)] = ""
    """Name of the tenant that it is bound to: it sees that tenant and no other. Of the platform when empty, or of the
    caller's tenant."""


class KeyQuery(PageQuery):
    """Whose keys to list."""

    tenant: Annotated[str, Field(max_length=63)] = ""
    """Name of the tenant that they are bound to; keys of the platform when empty, or of the caller's tenant."""


class KeyView(View):
    """An API key without its secret."""

    id: str
    """Identity, the second part of the token."""
    name: str
    """For people."""
    state: Literal["Active", "Expired", "Revoked"]
    """Whether it works."""
    scopes: list[str]
    """What it may do."""
    tenant_id: Annotated[str | None, Field(alias="tenantID")] = None
    """The tenant that it is bound to."""
    acts_as: str | None = None
    """Whom it acts as, with the rights that they have at that moment: `user:ID`, `service-account:ID`. Itself when left
    out."""
    created_by: str
    """Who made it."""
    created_at: str
    """When, as RFC 3339."""
    expires_at: str | None = None
    """When it stops working."""
    revoked_at: str | None = None
    """When it was taken back."""
    last_used_at: str | None = None
    """When it was used last, to the minute."""
    allowed_cidrs: Annotated[list[str], Field(alias="allowedCIDRs")]
    """Networks that it works from; any when empty."""


class CreatedKey(View):
    """A new API key."""

    key: KeyView
    """The key."""
    token: str
    """What its bearer sends: `Authorization: Bearer TOKEN`. It is shown this once and kept nowhere."""


class KeyList(View):
    """A page of API keys, ordered by id."""

    items: list[KeyView]
    """The keys."""
    next: str | None = None
    """The cursor of the next page, when there is one."""


async def create_key(call: Call[Nothing, KeyBody]) -> Reply:
    """Make an API key of the platform, or of a tenant.

    Its token is shown this once: the answer to a repeated `Idempotency-Key` is 409 `secret_already_shown`.
    """
    return await _create(call, call.body, call.body.tenant)


async def create_tenant_key(call: Call[Nothing, NewKeyBody]) -> Reply:
    """Make an API key of a tenant.

    It sees that tenant and no other. Its token is shown this once: the answer to a repeated `Idempotency-Key` is 409
    `secret_already_shown`.
    """
    return await _create(call, call.body, call.path["tenant"])


async def list_keys(call: Call[KeyQuery, Nothing]) -> Reply:
    """List the API keys of the platform, or of a tenant.

    Those that have expired or were revoked are among them.
    """
    return await _list(call, call.query, call.query.tenant)


async def list_tenant_keys(call: Call[PageQuery, Nothing]) -> Reply:
    """List the API keys of a tenant, also those of its people and programs.

    Those that have expired or were revoked are among them.
    """
    return await _list(call, call.query, call.path["tenant"])


async def get_key(call: Call[Nothing, Nothing]) -> Reply:
    """Get an API key, without its secret."""
    tenant = call.path.get("tenant", "")
    return Reply(body=view(await call.services.keys.get(call.actor, call.path["id"], tenant=tenant)))


async def revoke_key(call: Call[Nothing, Nothing]) -> Reply:
    """Take an API key back.

    Every replica refuses it within a second. One that was taken back before stays as it is.
    """
    tenant, once = call.path.get("tenant", ""), call.once(revoked_key)
    return revoked_key(await call.services.keys.revoke(call.actor, call.path["id"], once, tenant=tenant))


async def _create(call: Call[Any, Any], body: NewKeyBody, tenant: str) -> Reply:
    made = await call.services.keys.create(
        call.actor,
        body.name,
        body.scopes,
        tenant=tenant,
        lifetime=body.lifetime_seconds,
        allowed_cidrs=body.allowed_cidrs,
        once=call.once(created_key),
    )
    return created_key(made)


async def _list(call: Call[Any, Any], query: PageQuery, tenant: str) -> Reply:
    found = await call.services.keys.list(call.actor, tenant=tenant, after=call.after(), limit=query.limit + 1)
    page, cursor = call.page(found, query.limit, lambda key: key.id)
    return Reply(body=KeyList(items=[view(key) for key in page], next=cursor))


def created_key(made: NewKey, path: str = _PATH) -> Reply:
    """A new key as an answer; ``path`` is where it can be got."""
    return Reply(
        body=CreatedKey(key=view(made.key), token=made.token),
        kept=f"API key {made.key.id}",
        location=f"{path}/{made.key.id}",
    )


def revoked_key(key: ApiKey) -> Reply:
    """A key that was taken back as an answer."""
    return Reply(body=view(key))


def view(key: ApiKey) -> KeyView:
    """A key as the API shows it."""
    return KeyView(
        id=key.id,
        name=key.name,
        state=_state(key),
        scopes=list(key.scopes),
        tenant_id=key.tenant_id or None,
        acts_as=key.owner or None,
        created_by=key.created_by,
        created_at=timestamp(key.created_at),
        expires_at=_time(key.expires_at),
        revoked_at=_time(key.revoked_at),
        last_used_at=_time(key.last_used_at),
        allowed_cidrs=list(key.allowed_cidrs),
    )


def _state(key: ApiKey) -> Literal["Active", "Expired", "Revoked"]:
    if key.revoked_at:
        return "Revoked"
    return "Expired" if 0 < key.expires_at <= ids.now_micros() else "Active"


def _time(micros: int) -> str | None:
    return timestamp(micros) if micros else None


_OF_TENANT = "/v1/tenants/{tenant}/keys"
_READS, _WRITES = Permission.KEYS_READ, Permission.KEYS_WRITE


def _routes(path: str, of: str) -> list[Route]:
    """The routes of a key below ``path``; ``of`` tells the operations of one home from the other's."""
    found = [
        endpoint("GET", f"{path}/{{id}}", get_key, needs=_READS, answer=KeyView),
        endpoint("POST", f"{path}/{{id}}:revoke", revoke_key, needs=_WRITES, answer=KeyView),
    ]
    return [
        replace(route, operation=replace(route.operation, name=route.operation.name + of))
        for route in found
        if route.operation
    ]


ROUTES = [
    endpoint("POST", _PATH, create_key, needs=_WRITES, answer=CreatedKey, body=KeyBody, status=201),
    endpoint("GET", _PATH, list_keys, needs=_READS, answer=KeyList, query=KeyQuery),
    *_routes(_PATH, ""),
    endpoint("POST", _OF_TENANT, create_tenant_key, needs=_WRITES, answer=CreatedKey, body=NewKeyBody, status=201),
    endpoint("GET", _OF_TENANT, list_tenant_keys, needs=_READS, answer=KeyList, query=PageQuery),
    *_routes(_OF_TENANT, "OfTenant"),
]
