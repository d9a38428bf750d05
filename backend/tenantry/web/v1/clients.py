"""OAuth clients below ``/v1``."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from tenantry.model import ids
from tenantry.model.fields import Model, View
from tenantry.model.oauth import ALL_SCOPES, ClientKind, ClientSecret, GrantType, OAuthClient, Registered
from tenantry.model.permissions import Permission
from tenantry.model.redirect_uri import RedirectURI
from tenantry.model.resource import timestamp
from tenantry.services.oauth.clients import NewSecret
from tenantry.web.v1.conventions import Call, Nothing, PageQuery, Reply, endpoint
from tenantry.web.v1.workloads import Workload, WorkloadView, view_workload

_PATH = "/v1/clients"
_OF_TENANT = "/v1/tenants/{tenant}/clients"
_CENTURY = 100 * 365 * 86_400  # seconds

_Grants = Annotated[list[Annotated[GrantType, Field(strict=False)]], Field(min_length=1, max_length=64)]
_URIs = Annotated[list[RedirectURI], Field(max_length=64)]
# mypy wants to see each value written out; pydantic takes those of the table
_Scopes = Annotated[list[Literal[ALL_SCOPES]], Field(max_length=64)]  # type: ignore[valid-type]


class ClientBody(Model):
    """What a new OAuth client is to be."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    """For people: who is asked for consent sees it."""
    kind: Literal["Confidential", "Public"] = "Confidential"
    """`Public` for a program that cannot keep a secret: in a browser, on a phone, on a desk."""
    grant_types: _Grants
    """What it may use to come to a token."""
    redirect_uris: _URIs = Field(default=[], alias="redirectURIs")
    """Where a browser may be sent back to. They are matched to the letter, but for the port of a loopback address."""
    post_logout_uris: _URIs = Field(default=[], alias="postLogoutURIs")
    """Where a browser may be sent after it was signed out."""
    scopes: _Scopes = Field(default=[])
    """What its tokens may be used for at most; a person's token never does more than the person may."""
    jwks: dict[str, Any] | None = None
    """Its public keys (RFC 7517), for `private_key_jwt` in the place of a secret."""
    workload: Workload | None = None
    """The Kubernetes ServiceAccount by whose tokens it proves itself in their place, as `client_assertion`. A tenant
    may name those of its own namespaces."""
    first_party: bool = False
    """One of the platform's own: nobody is asked for consent. Only the platform can say so."""


class ClientChange(Model):
    """What is to change of an OAuth client; what is left out stays."""

    name: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """For people."""
    grant_types: _Grants | None = None
    """What it may use."""
    redirect_uris: Annotated[_URIs | None, Field(alias="redirectURIs")] = None
    """Where a browser may be sent back to."""
    post_logout_uris: Annotated[_URIs | None, Field(alias="postLogoutURIs")] = None
    """Where a browser may be sent after it was signed out."""
    scopes: _Scopes | None = None
    """What its tokens may be used for at most."""
    jwks: dict[str, Any] | None = None
    """Its public keys; `{}` for none any more."""
    workload: Workload | None = None
    """The Kubernetes ServiceAccount by whose tokens it proves itself; both fields empty for none any more."""
    first_party: bool | None = None
    """One of the platform's own."""
    disabled: bool | None = None
    """It gets no tokens, and those that it has do not work, until this is undone."""


class SecretBody(Model):
    """What a new secret is to be."""

    lifetime_seconds: Annotated[int, Field(ge=0, le=_CENTURY)] = 0
    """How long it works; 0 for ever."""


class SecretView(View):
    """A secret of a client, without what is secret of it."""

    id: str
    """Identity, the second part of the secret."""
    state: Literal["Active", "Expired"]
    """Whether it works."""
    created_at: str
    """When it was made, as RFC 3339."""
    expires_at: str | None = None
    """When it stops working."""


class ClientView(View):
    """An OAuth client."""

    id: str
    """The `client_id`."""
    name: str
    """For people."""
    tenant_id: Annotated[str | None, Field(alias="tenantID")] = None
    """Whose it is; the platform's when left out."""
    kind: ClientKind
    """Whether it can keep a secret."""
    grant_types: list[str]
    """What it may use."""
    redirect_uris: Annotated[list[str], Field(alias="redirectURIs")]
    """Where a browser may be sent back to."""
    post_logout_uris: Annotated[list[str], Field(alias="postLogoutURIs")]
    """Where a browser may be sent after it was signed out."""
    scopes: list[str]
    """What its tokens may be used for at most."""
    jwks: dict[str, Any] | None = None
    """Its public keys."""
    workload: WorkloadView | None = None
    """The Kubernetes ServiceAccount by whose tokens it proves itself."""
    first_party: bool
    """Whether it is one of the platform's own."""
    disabled: bool
    """Whether it gets no tokens."""
    created_by: str
    """Who made it."""
    created_at: str
    """When, as RFC 3339."""
    secrets: list[SecretView] | None = None
    """Its secrets; left out in lists."""


class CreatedClient(View):
    """A new OAuth client, or one with a new secret."""

    client: ClientView
    """The client."""
    client_secret: str | None = None
    """The new secret. It is shown this once and kept nowhere."""


class ClientList(View):
    """A page of OAuth clients, ordered by id."""

    items: list[ClientView]
    """The clients."""
    next: str | None = None
    """The cursor of the next page, when there is one."""


async def create_client(call: Call[Nothing, ClientBody]) -> Reply:
    """Make an OAuth client of the platform, or of the caller's tenant.

    A confidential one without keys gets a secret, which is shown this once: the answer to a repeated
    `Idempotency-Key` is 409 `secret_already_shown`.
    """
    body = call.body
    wanted = OAuthClient(
        id="",
        name=body.name,
        kind=ClientKind(body.kind),
        redirect_uris=tuple(body.redirect_uris),
        post_logout_uris=tuple(body.post_logout_uris),
        grant_types=tuple(body.grant_types),
        scopes=tuple(body.scopes),
        jwks=json.dumps(body.jwks) if body.jwks else "",
        cluster=body.workload.cluster if body.workload else "",
        subject=body.workload.subject if body.workload else "",
        first_party=body.first_party,
    )
    made = await call.services.clients.create(
        call.actor, wanted, tenant=call.path.get("tenant", ""), once=call.once(_created)
    )
    return _created(made)


async def create_tenant_client(call: Call[Nothing, ClientBody]) -> Reply:
    """Make an OAuth client of a tenant.

    Its own tokens act in that tenant and nowhere else.
    """
    return await create_client(call)


async def list_clients(call: Call[PageQuery, Nothing]) -> Reply:
    """List the OAuth clients of the platform, or of the caller's tenant."""
    tenant, limit = call.path.get("tenant", ""), call.query.limit
    found = await call.services.clients.list(call.actor, tenant=tenant, after=call.after(), limit=limit + 1)
    page, cursor = call.page(found, limit, lambda client: client.id)
    return Reply(body=ClientList(items=[_view(client) for client in page], next=cursor))


async def list_tenant_clients(call: Call[PageQuery, Nothing]) -> Reply:
    """List the OAuth clients of a tenant."""
    return await list_clients(call)


async def get_client(call: Call[Nothing, Nothing]) -> Reply:
    """Get an OAuth client and its secrets, without what is secret of them."""
    return _shown(await call.services.clients.get(call.actor, call.path["client"]))


async def update_client(call: Call[Nothing, ClientChange]) -> Reply:
    """Change an OAuth client, or disable it; what is left out stays."""
    before = await call.services.clients.get(call.actor, call.path["client"])
    call.check_match(_etag(before))
    changes: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name in call.body.model_fields_set
        if (value := getattr(call.body, name)) is not None
    }
    if "jwks" in changes:
        changes["jwks"] = json.dumps(changes["jwks"]) if changes["jwks"] else ""
    if workload := changes.pop("workload", None):
        changes |= {"cluster": workload.cluster, "subject": workload.subject}
    return _shown(await call.services.clients.update(call.actor, before, replace(before.client, **changes)))


async def delete_client(call: Call[Nothing, Nothing]) -> Reply:
    """Delete an OAuth client.

    Every token that it has is refused within a second, on every replica.
    """
    found = await call.services.clients.get(call.actor, call.path["client"])
    call.check_match(_etag(found))
    return _shown(await call.services.clients.delete(call.actor, found.client.id))


async def create_client_secret(call: Call[Nothing, SecretBody]) -> Reply:
    """Give an OAuth client one more secret, which is shown this once.

    Those that it has go on working: give the new one to the program, and then revoke the old one.
    """
    made = await call.services.clients.add_secret(
        call.actor, call.path["client"], call.body.lifetime_seconds, call.once(_created)
    )
    return _created(made)


async def revoke_client_secret(call: Call[Nothing, Nothing]) -> Reply:
    """Take a secret of an OAuth client back.

    Every replica refuses it within a second; tokens that were got with it work until they expire.
    """
    return _shown(await call.services.clients.revoke_secret(call.actor, call.path["client"], call.path["secret"]))


def _created(made: NewSecret) -> Reply:
    client = made.registered.client
    return Reply(
        body=CreatedClient(client=_view(client, made.registered.secrets), client_secret=made.token or None),
        kept=f"a secret of OAuth client {client.id}" if made.token else "",
        location=f"{_PATH}/{client.id}",
    )


def _shown(found: Registered) -> Reply:
    return Reply(body=_view(found.client, found.secrets), etag=_etag(found))


def _etag(found: Registered) -> str:
    return "-".join([str(found.client.updated_at), *(secret.id for secret in found.secrets)])


def _view(client: OAuthClient, secrets: tuple[ClientSecret, ...] | None = None) -> ClientView:
    return ClientView(
        id=client.id,
        name=client.name,
        tenant_id=client.tenant_id or None,
        kind=client.kind,
        grant_types=list(client.grant_types),
        redirect_uris=list(client.redirect_uris),
        post_logout_uris=list(client.post_logout_uris),
        scopes=list(client.scopes),
        jwks=json.loads(client.jwks) if client.jwks else None,
        workload=view_workload(client.cluster, client.subject, given=client.given),
        first_party=client.first_party,
        disabled=client.disabled,
        created_by=client.created_by,
        created_at=timestamp(client.created_at),
        secrets=None if secrets is None else [_secret(secret) for secret in secrets],
    )


def _secret(secret: ClientSecret) -> SecretView:
    return SecretView(
        id=secret.id,
        state="Expired" if 0 < secret.expires_at <= ids.now_micros() else "Active",
        created_at=timestamp(secret.created_at),
        expires_at=timestamp(secret.expires_at) if secret.expires_at else None,
    )


_ONE = f"{_PATH}/{{client}}"
_SECRETS = f"{_ONE}/secrets"
_READ, _WRITE = Permission.CLIENTS_READ, Permission.CLIENTS_WRITE
ROUTES = [
    endpoint("POST", _PATH, create_client, needs=_WRITE, answer=CreatedClient, body=ClientBody, status=201),
    endpoint("GET", _PATH, list_clients, needs=_READ, answer=ClientList, query=PageQuery),
    endpoint("POST", _OF_TENANT, create_tenant_client, needs=_WRITE, answer=CreatedClient, body=ClientBody, status=201),
    endpoint("GET", _OF_TENANT, list_tenant_clients, needs=_READ, answer=ClientList, query=PageQuery),
    endpoint("GET", _ONE, get_client, needs=_READ, answer=ClientView),
    endpoint("PATCH", _ONE, update_client, needs=_WRITE, answer=ClientView, body=ClientChange, conditional=True),
    endpoint("DELETE", _ONE, delete_client, needs=_WRITE, answer=ClientView, conditional=True),
    endpoint("POST", _SECRETS, create_client_secret, needs=_WRITE, answer=CreatedClient, body=SecretBody, status=201),
    endpoint("DELETE", f"{_SECRETS}/{{secret}}", revoke_client_secret, needs=_WRITE, answer=ClientView),
]
