"""What clients do with tokens that they have: give them back (RFC 7009), look into them (RFC 7662), ask who it is."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from aiohttp import web
from authlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidRequestError

from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor
from tenantry.model.oauth import REFRESH, AccessToken, OAuthClient
from tenantry.model.permissions import Permission
from tenantry.services.machines.workloads import LEEWAY, ForgedError
from tenantry.web.oauth.server import (
    NO_STORE,
    Answer,
    Request,
    Server,
    UnprovedError,
    actor_of,
    client_endpoint,
    note_failure,
)
from tenantry.web.routes import ACTOR, SERVICES, Route
from tenantry.wiring import Services

#: RFC 7009, 2.1: who gives back a token of somebody else is not to believe that it is gone
_NOT_YOURS = "The token is not one of this client."
_INACTIVE = Answer(HTTPStatus.OK, {"active": False})


async def _revoke(request: web.Request, server: Server, sent: Request) -> Answer:
    del server
    services, client, token = request.app[SERVICES], sent.client.model, _token_of(sent)
    actor = actor_of(request, client)
    if token.startswith(f"{REFRESH}_"):
        if not await services.oauth.transact(actor, lambda store: store.revoke_refresh_token(token, client.id)):
            raise InvalidGrantError(_NOT_YOURS)
    elif said := await _read(services, token):
        if said.client_id != client.id:
            raise InvalidGrantError(_NOT_YOURS)
        until = int(said.expires + LEEWAY) * 1_000_000
        await services.oauth.transact(actor, lambda store: store.revoke_access_token(said.jti, until))
    return Answer(HTTPStatus.OK, {})  # also for a token that nobody knows (RFC 7009, 2.2)


async def _introspect(request: web.Request, server: Server, sent: Request) -> Answer:
    del server
    services, client, token = request.app[SERVICES], sent.client.model, _token_of(sent)
    if client.is_public:
        await note_failure(request, client)
        raise UnprovedError("Who looks into tokens must prove who it is.")
    if token.startswith(f"{REFRESH}_"):
        return await _introspect_refresh(services, token, client)
    return await _introspect_access(services, token, client, request[ACTOR])


async def _introspect_access(services: Services, token: str, client: OAuthClient, asked: Actor) -> Answer:
    said = await _read(services, token)
    if said is None or not _may_know(client, said.client_id, said.tenant_id):
        return _INACTIVE
    try:
        actor = await services.authenticator.authenticate(token, asked.ip)
    except TenantryError as error:
        if error.code is not Code.UNAUTHENTICATED:
            raise
        return _INACTIVE
    if actor.suspended and not actor.may(Permission.RESOURCES_READ):
        return _INACTIVE
    body: dict[str, Any] = {
        "active": True,
        "token_type": "Bearer",
        "iss": services.access_tokens.issuer,
        "aud": services.access_tokens.issuer,
        "sub": said.user_id or said.client_id,
        "client_id": said.client_id,
        "scope": " ".join(sorted(said.scopes)),
        "jti": said.jti,
        "iat": int(said.issued),
        "exp": int(said.expires),
    }
    return Answer(HTTPStatus.OK, body | ({"tid": said.tenant_id} if said.tenant_id else {}))


async def _introspect_refresh(services: Services, token: str, client: OAuthClient) -> Answer:
    family = await services.oauth.family_of(token)
    if family is None or not _may_know(client, family.client_id, family.tenant_id):
        return _INACTIVE
    body = {
        "active": True,
        "sub": family.user_id,
        "client_id": family.client_id,
        "scope": " ".join(family.scopes),
        "iat": family.created_at // 1_000_000,
        "exp": family.expires_at // 1_000_000,
    }
    return Answer(HTTPStatus.OK, body)


async def _userinfo(request: web.Request) -> web.Response:
    actor = request[ACTOR]
    if "openid" not in actor.scopes or not actor.user_id:
        raise TenantryError(Code.FORBIDDEN, "the access token has not the scope openid", scope="openid")
    user = await request.app[SERVICES].standing.user(actor.user_id)
    claims: dict[str, object] = {"sub": actor.user_id}
    if user and "profile" in actor.scopes and user.name:
        claims["name"] = user.name
    if user and "email" in actor.scopes:
        claims |= {"email": user.email, "email_verified": user.email_verified}
    return web.json_response(claims, headers=NO_STORE)


async def _read(services: Services, token: str) -> AccessToken | None:
    try:
        return await services.access_tokens.verify(token)
    except ForgedError:
        return None


def _token_of(sent: Request) -> str:
    token = sent.parameters.get("token")
    if token is None:
        raise InvalidRequestError("Missing token.")
    return token


def _may_know(client: OAuthClient, client_id: str, tenant_id: str) -> bool:
    """Whether ``client`` may look into a token: its own, one of its tenant, or any for a client of the platform."""
    return client.id == client_id or client.tenant_id in {"", tenant_id}


ROUTES = [
    client_endpoint("/oauth/revoke", _revoke),
    client_endpoint("/oauth/introspect", _introspect),
    Route("GET", "/oauth/userinfo", _userinfo, needs=Permission.AUTHENTICATED),
    Route("POST", "/oauth/userinfo", _userinfo, needs=Permission.AUTHENTICATED),
]
