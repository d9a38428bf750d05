"""Who the server takes the caller for, and what people decide about themselves."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import Annotated

from pydantic import Field

from tenantry.model.errors import Code, TenantryError
from tenantry.model.fields import Model, View
from tenantry.model.identity import Actor, TenantStanding, User
from tenantry.model.permissions import Permission, Role
from tenantry.model.resource import timestamp
from tenantry.services.people.users import Change, Place
from tenantry.web import csrf
from tenantry.web.v1.conventions import Call, Nothing, PageQuery, Reply, endpoint
from tenantry.web.v1.keys import CreatedKey, KeyList, KeyView, NewKeyBody, created_key, revoked_key, view

_KEYS = "/v1/me/keys"
#: scopes of a client that is told who a person is
_WHO = frozenset({"profile", "email"})


class Credential(StrEnum):
    """What a caller proves itself with."""

    SESSION = "Session"
    API_KEY = "ApiKey"
    SERVICE_ACCOUNT_TOKEN = "ServiceAccountToken"  # noqa: S105 - a name of one
    ACCESS_TOKEN = "AccessToken"  # noqa: S105 - as above


class Person(View):
    """Somebody with an account."""

    id: str
    """Identity, which stays."""
    email: str
    """E-mail address."""
    email_verified: bool
    """Whether they have proved that it is theirs."""
    name: str
    """For people; may be empty."""


class TenantPlace(View):
    """A tenant, and the caller's place in it."""

    id: str
    """Identity, which stays."""
    name: str
    """Name, as paths have it."""
    role: Role | None
    """The person's role in it; null for what is no person."""
    state: str
    """`Active` or `Suspended`."""
    mode: str | None
    """While it is suspended: `Blocked`, `ReadOnly` or `ScaledToZero`."""
    reason: str | None
    """Why it is suspended."""


class SignIn(View):
    """How the caller proves who it is."""

    credential: Credential
    """What with."""
    methods: list[str] | None
    """How the person has signed in (RFC 8176): `pwd`, `otp`, ..."""
    at: str | None
    """When the person has signed in, as RFC 3339."""
    ends_at: str | None
    """When the session ends unless it is used before."""


class Me(View):
    """Who the server takes the caller for. What does not apply is null."""

    name: str
    """Stable name, as the audit log has it."""
    user: Person | None
    """The person, also when a key acts for them; null for an OAuth client that lacks `profile` or `email`."""
    tenant: TenantPlace | None
    """The tenant that the caller acts in; null for the platform, and for who has chosen none."""
    tenants: list[TenantPlace] | None
    """All tenants that the person belongs to, by name; null for a key or token of theirs, which knows of its own."""
    platform_admin: bool | None
    """Whether the person administers the platform: they do so while no tenant is the active one. Null as above."""
    cluster: str | None
    """Name of the cluster that vouches for the caller."""
    scopes: list[str] | None
    """What the credential carries, sorted; null for a session, which carries all that the person may."""
    permissions: list[str]
    """What the caller may do now, sorted."""
    signed_in: SignIn
    """How the caller proves who it is."""
    csrf_token: str | None
    """For a browser's scripts: what unsafe requests carry in `X-CSRF-Token`."""


class TenantPlaces(View):
    """The tenants that a person belongs to, by name."""

    items: list[TenantPlace]
    """The tenants."""


class Profile(Model):
    """What people decide about their account; what is left out stays."""

    name: Annotated[str, Field(max_length=200, pattern=r"^\P{C}*$")] | None = None
    """What others are shown."""


class TenantChoice(Model):
    """Which tenant to act in."""

    tenant: Annotated[str, Field(max_length=63)]
    """Its name; empty for none, in which platform administrators act for the platform."""


class ActiveTenant(View):
    """The tenant that a session acts in."""

    tenant: TenantPlace | None
    """The tenant; null for none."""


async def get_me(call: Call[Nothing, Nothing]) -> Reply:
    """Tell whom the server takes the caller for, and what that one may do."""
    return _whole(await _me(call))


async def update_me(call: Call[Nothing, Profile]) -> Reply:
    """Change one's own account."""
    wanted = Change(name=call.body.name)
    user = await call.services.users.change(call.actor, call.actor.user_id, wanted, lambda _: None)
    return Reply(body=person(user))


async def list_my_tenants(call: Call[Nothing, Nothing]) -> Reply:
    """List the tenants that one belongs to."""
    return _whole(TenantPlaces(items=[_place(place) for place in await call.services.users.places(call.actor.user_id)]))


async def choose_tenant(call: Call[Nothing, TenantChoice]) -> Reply:
    """Choose the tenant to act in.

    It counts for this session, on every replica within a second.
    """
    if not call.actor.session_id:
        raise TenantryError(Code.FORBIDDEN, "only a browser session can change its tenant")
    tenant_id = await call.services.sessions.switch(call.actor, call.body.tenant)
    places = await call.services.users.places(call.actor.user_id) if tenant_id else []
    chosen = next((_place(place) for place in places if place.tenant.id == tenant_id), None)
    return _whole(ActiveTenant(tenant=chosen))


async def leave_tenant(call: Call[Nothing, Nothing]) -> Reply:
    """Leave a tenant.

    One's sessions there end, but for this one, which goes on without a tenant, and one's keys of it are revoked. The
    last owner cannot leave.
    """
    await call.services.members.leave(call.actor, call.path["tenant"])
    return await list_my_tenants(call)


async def create_my_key(call: Call[Nothing, NewKeyBody]) -> Reply:
    """Make an API key of one's own.

    It acts with the role that one has at that moment in the tenant that is active now, within its scopes. It works for
    as long as one is a member there. Its token is shown this once.
    """
    body = call.body
    answer = partial(created_key, path=_KEYS)
    made = await call.services.access.make_key(
        call.actor,
        body.name,
        body.scopes,
        lifetime=body.lifetime_seconds,
        allowed_cidrs=body.allowed_cidrs,
        once=call.once(answer),
    )
    return answer(made)


async def list_my_keys(call: Call[PageQuery, Nothing]) -> Reply:
    """List one's own API keys of the active tenant.

    Those that have expired or were revoked are among them.
    """
    limit = call.query.limit
    found = await call.services.keys.own(call.actor, after=call.after(), limit=limit + 1)
    page, cursor = call.page(found, limit, lambda key: key.id)
    return Reply(body=KeyList(items=[view(key) for key in page], next=cursor))


async def get_my_key(call: Call[Nothing, Nothing]) -> Reply:
    """Get an API key of one's own, without its secret."""
    return Reply(body=view(await call.services.keys.get_own(call.actor, call.path["id"])))


async def revoke_my_key(call: Call[Nothing, Nothing]) -> Reply:
    """Take an API key of one's own back.

    Every replica refuses it within a second. One that was taken back before stays as it is.
    """
    return revoked_key(await call.services.keys.revoke_own(call.actor, call.path["id"], call.once(revoked_key)))


async def _me(call: Call[Nothing, Nothing]) -> Me:
    actor, standing = call.actor, call.services.standing
    is_told = not actor.client_id or actor.scopes >= _WHO  # what the person has allowed the client to know
    user = await standing.user(actor.user_id) if actor.user_id and is_told else None
    tenant = await standing.tenant(actor.tenant_id) if actor.tenant_id else None
    is_there = actor.may(Permission.SELF)  # the person, and not only what acts for them
    places = await call.services.users.places(actor.user_id) if is_there else None
    return Me(
        name=actor.name,
        user=person(user) if user else None,
        tenant=_tenant(tenant, actor.role) if tenant else None,
        tenants=None if places is None else [_place(place) for place in places],
        platform_admin=user.platform_admin if user and is_there else None,
        cluster=actor.cluster or None,
        scopes=None if actor.session_id else sorted(actor.scopes),
        permissions=sorted(actor.permissions),
        signed_in=await _sign_in(call, actor),
        csrf_token=csrf.token_of(call.session) if actor.session_id else None,
    )


async def _sign_in(call: Call[Nothing, Nothing], actor: Actor) -> SignIn:
    session = await call.services.standing.session(actor.session_id) if actor.session_id else None
    return SignIn(
        credential=_credential(actor),
        methods=list(session.amr) if session else None,
        at=timestamp(session.created_at) if session else None,
        ends_at=timestamp(session.ends_at()) if session else None,
    )


def _credential(actor: Actor) -> Credential:
    if actor.session_id:
        return Credential.SESSION
    if actor.cluster:
        return Credential.SERVICE_ACCOUNT_TOKEN
    return Credential.ACCESS_TOKEN if actor.client_id else Credential.API_KEY


def person(user: User) -> Person:
    """What is told of a user."""
    return Person(id=user.id, email=user.email, email_verified=user.email_verified, name=user.name)


def _place(place: Place) -> TenantPlace:
    return _tenant(place.tenant, place.role)


def _tenant(tenant: TenantStanding, role: Role | None) -> TenantPlace:
    return TenantPlace(
        id=tenant.id,
        name=tenant.name,
        role=role,
        state="Suspended" if tenant.mode else "Active",
        mode=tenant.mode or None,
        reason=tenant.reason or None,
    )


def _whole(answer: View) -> Reply:
    """An answer that tells by null what there is not."""
    return Reply(body=answer.model_dump_json(by_alias=True))


_SELF = Permission.SELF
_OWN_KEY = f"{_KEYS}/{{id}}"
ROUTES = [
    endpoint("GET", "/v1/me", get_me, needs=Permission.AUTHENTICATED, answer=Me),
    endpoint("PATCH", "/v1/me", update_me, needs=_SELF, answer=Person, body=Profile),
    endpoint("GET", "/v1/me/tenants", list_my_tenants, needs=_SELF, answer=TenantPlaces),
    endpoint("DELETE", "/v1/me/tenants/{tenant}", leave_tenant, needs=_SELF, answer=TenantPlaces),
    endpoint("POST", "/v1/me/tenant", choose_tenant, needs=_SELF, answer=ActiveTenant, body=TenantChoice),
    endpoint("POST", _KEYS, create_my_key, needs=_SELF, answer=CreatedKey, body=NewKeyBody, status=201),
    endpoint("GET", _KEYS, list_my_keys, needs=_SELF, answer=KeyList, query=PageQuery),
    endpoint("GET", _OWN_KEY, get_my_key, needs=_SELF, answer=KeyView),
    endpoint("POST", f"{_OWN_KEY}:revoke", revoke_my_key, needs=_SELF, answer=KeyView),
]
