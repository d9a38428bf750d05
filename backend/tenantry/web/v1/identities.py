"""Who the caller is at identity providers, below ``/v1/me``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tenantry.model.fields import Model, View
from tenantry.model.permissions import Permission
from tenantry.model.providers import NAME, Identity
from tenantry.model.resource import timestamp
from tenantry.web.pages import federation
from tenantry.web.v1.conventions import Call, Nothing, Reply, endpoint

_PATH = "/v1/me/identities"


class IdentityView(View):
    """Who a user is at an identity provider."""

    id: str
    """Identity of the entry."""
    issuer: str
    """The provider, as its tokens have it."""
    subject: str
    """Who it is there."""
    email: str | None = None
    """The address that the provider has verified, as it said last."""
    created_at: str
    """When it was added, as RFC 3339."""
    last_used_at: str
    """When it was used last to sign in."""


class IdentityList(View):
    """Who a user is elsewhere, the oldest entry first."""

    items: list[IdentityView]
    """The identities."""


class LinkBody(Model):
    """Where one is somebody, too."""

    provider: Annotated[str, Field(pattern=NAME)]
    """Name of the identity provider."""


class Link(View):
    """Where a browser goes on."""

    href: str
    """Path of the page that the browser opens, where the person says their password and goes on to the provider."""


async def list_identities(call: Call[Nothing, Nothing]) -> Reply:
    """List who you are at identity providers."""
    found = await call.services.federation.identities(call.actor)
    return Reply(body=IdentityList(items=[_view(identity) for identity in found]))


async def link_identity(call: Call[Nothing, LinkBody]) -> Reply:
    """Begin to add who you are at an identity provider.

    The browser opens the `href` of the answer, where the person proves who they are once more and goes on to sign in at
    the provider. From then on they can sign in here with it. Every other session ends.
    """
    provider = await call.services.providers.find(call.body.provider)
    return Reply(body=Link(href=federation.link_href(provider.name)))


async def unlink_identity(call: Call[Nothing, Nothing]) -> Reply:
    """Take away who you are at an identity provider.

    The last one stays for who has no password. Every other session ends, and this one gets another cookie, and so
    another CSRF token.
    """
    identity, user = await call.services.federation.unlink(call.actor, call.path["id"])
    return Reply(body=_view(identity), session=(await call.services.sessions.renew(call.actor, user)).cookie)


def _view(identity: Identity) -> IdentityView:
    return IdentityView(
        id=identity.id,
        issuer=identity.issuer,
        subject=identity.subject,
        email=identity.email or None,
        created_at=timestamp(identity.created_at),
        last_used_at=timestamp(identity.last_used_at),
    )


ROUTES = [
    endpoint("GET", _PATH, list_identities, needs=Permission.SELF, answer=IdentityList),
    endpoint("POST", _PATH, link_identity, needs=Permission.SELF, answer=Link, body=LinkBody),
    endpoint("DELETE", f"{_PATH}/{{id}}", unlink_identity, needs=Permission.SELF, answer=IdentityView),
]
