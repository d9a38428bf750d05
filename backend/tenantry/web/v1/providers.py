"""Identity providers below ``/v1``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from tenantry.model.fields import Model, View
from tenantry.model.permissions import Permission
from tenantry.model.providers import NAME, SCOPES, Provider
from tenantry.model.resource import timestamp
from tenantry.services.federation.providers import Providers
from tenantry.web.v1.conventions import Call, Nothing, Reply, endpoint

_PATH = "/v1/identity-providers"

_DisplayName = Annotated[str, Field(min_length=1, max_length=100)]
_Issuer = Annotated[str, Field(min_length=1, max_length=512)]
_ClientSecret = Annotated[str, Field(max_length=512)]
_Scopes = Annotated[list[Annotated[str, Field(max_length=100)]], Field(min_length=1, max_length=8)]
_EmailDomains = Annotated[list[Annotated[str, Field(max_length=253)]], Field(max_length=64)]


class ProviderBody(Model):
    """What a new identity provider is to be."""

    name: Annotated[str, Field(pattern=NAME)]
    """Its name in URLs; the redirect URI to register there is `EXTERNAL_URL/login/with/NAME/callback`."""
    display_name: _DisplayName
    """Its name on the button."""
    issuer: _Issuer
    """Exactly as its discovery document has it."""
    client_id: Annotated[str, Field(alias="clientID", min_length=1, max_length=255)]
    """As which it knows us."""
    client_secret: _ClientSecret = ""
    """The client's secret; a public client has none. It is kept encrypted, and never shown."""
    scopes: _Scopes = Field(default=list(SCOPES))
    """What is asked for; `openid` must be among them."""
    email_domains: _EmailDomains = Field(default=[])
    """With any, only who has a verified address there may sign in."""
    auto_provision: bool = False
    """Whether whoever signs in there first, with a verified address, becomes a user."""


class ProviderChange(Model):
    """What of an identity provider is to be another way; what is left out stays."""

    display_name: _DisplayName | None = None
    """Its name on the button."""
    issuer: _Issuer | None = None
    """Exactly as its discovery document has it. Who somebody was at the old one does not count at the new one."""
    client_id: Annotated[str | None, Field(alias="clientID", min_length=1, max_length=255)] = None
    """As which it knows us."""
    client_secret: _ClientSecret | None = None
    """The client's secret; an empty one takes it away."""
    scopes: _Scopes | None = None
    """What is asked for."""
    email_domains: _EmailDomains | None = None
    """With any, only who has a verified address there may sign in."""
    auto_provision: bool | None = None
    """Whether whoever signs in there first, with a verified address, becomes a user."""


class ProviderView(View):
    """An identity provider, without its secret."""

    name: str
    """Its name in URLs."""
    display_name: str
    """Its name on the button."""
    issuer: str
    """Exactly as its discovery document has it."""
    client_id: Annotated[str, Field(alias="clientID")]
    """As which it knows us."""
    scopes: list[str]
    """What is asked for."""
    email_domains: list[str]
    """With any, only who has a verified address there may sign in."""
    auto_provision: bool
    """Whether whoever signs in there first becomes a user."""
    configured: bool
    """Whether it stands in `TENANTRY_PROVIDERS`, and is changed there."""
    created_at: str | None = None
    """When, as RFC 3339; not of one in the settings."""
    updated_at: str | None = None
    """When it was changed last."""


class ProviderList(View):
    """Identity providers, in the order of the login page."""

    items: list[ProviderView]
    """The identity providers."""


async def list_identity_providers(call: Call[Nothing, Nothing]) -> Reply:
    """List the identity providers."""
    found = await call.services.providers.list(call.actor)
    return Reply(body=ProviderList(items=[_view(call.services.providers, provider) for provider in found]))


async def get_identity_provider(call: Call[Nothing, Nothing]) -> Reply:
    """Get an identity provider."""
    return _reply(call)(await call.services.providers.get(call.actor, call.path["name"]))


async def create_identity_provider(call: Call[Nothing, ProviderBody]) -> Reply:
    """Add an identity provider.

    People can sign in there at once. Its discovery document is read when somebody does.
    """
    body = call.body
    provider = Provider(
        name=body.name,
        display_name=body.display_name,
        issuer=body.issuer,
        client_id=body.client_id,
        scopes=tuple(body.scopes),
        email_domains=tuple(map(str.lower, body.email_domains)),
        auto_provision=body.auto_provision,
    )
    reply = _reply(call)
    return reply(await call.services.providers.create(call.actor, provider, body.client_secret, call.once(reply)))


async def change_identity_provider(call: Call[Nothing, ProviderChange]) -> Reply:
    """Change an identity provider."""
    changes = call.body.model_dump(exclude_none=True)
    for name in ("scopes", "email_domains"):
        if name in changes:
            changes[name] = tuple(map(str.lower, changes[name]) if name == "email_domains" else changes[name])
    name = call.path["name"]
    return _reply(call)(await call.services.providers.update(call.actor, name, changes, _matching(call)))


async def delete_identity_provider(call: Call[Nothing, Nothing]) -> Reply:
    """Take an identity provider away.

    Sessions that began there go on. Who somebody was there stays known, should it come back.
    """
    return _reply(call)(await call.services.providers.delete(call.actor, call.path["name"], _matching(call)))


def _matching(call: Call[Nothing, ProviderChange] | Call[Nothing, Nothing]) -> Callable[[Provider], None]:
    return lambda provider: call.check_match(_etag(provider))


def _reply(
    call: Call[Nothing, ProviderBody] | Call[Nothing, ProviderChange] | Call[Nothing, Nothing],
) -> Callable[[Provider], Reply]:
    def reply(provider: Provider) -> Reply:
        return Reply(
            body=_view(call.services.providers, provider),
            etag=_etag(provider),
            location=f"{_PATH}/{provider.name}" if call.status == 201 else "",  # noqa: PLR2004 - Created
        )

    return reply


def _etag(provider: Provider) -> str:
    return hashlib.blake2b(repr(provider).encode(), digest_size=16).hexdigest()


def _view(providers: Providers, provider: Provider) -> ProviderView:
    return ProviderView(
        name=provider.name,
        display_name=provider.display_name,
        issuer=provider.issuer,
        client_id=provider.client_id,
        scopes=list(provider.scopes),
        email_domains=list(provider.email_domains),
        auto_provision=provider.auto_provision,
        configured=providers.is_configured(provider),
        created_at=timestamp(provider.created_at) if provider.created_at else None,
        updated_at=timestamp(provider.updated_at) if provider.updated_at else None,
    )


_ONE = f"{_PATH}/{{name}}"
_READ, _WRITE = Permission.SIGN_IN_READ, Permission.SIGN_IN_WRITE
ROUTES = [
    endpoint("GET", _PATH, list_identity_providers, needs=_READ, answer=ProviderList),
    endpoint("POST", _PATH, create_identity_provider, needs=_WRITE, answer=ProviderView, body=ProviderBody, status=201),
    endpoint("GET", _ONE, get_identity_provider, needs=_READ, answer=ProviderView),
    endpoint(
        "PATCH",
        _ONE,
        change_identity_provider,
        needs=_WRITE,
        answer=ProviderView,
        body=ProviderChange,
        conditional=True,
    ),
    endpoint("DELETE", _ONE, delete_identity_provider, needs=_WRITE, answer=ProviderView, conditional=True),
]
