"""The token endpoint (RFC 6749, 3.2)."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from tenantry.model.oauth import GrantType
from tenantry.services.oauth.grants import OAuthStore
from tenantry.web.oauth import grants
from tenantry.web.oauth.server import Answer, Request, Server, actor_of, client_endpoint
from tenantry.web.routes import SERVICES


async def _token(request: web.Request, server: Server, sent: Request) -> Answer:
    services = request.app[SERVICES]
    server.register_grant(grants.ClientCredentialsGrant)
    if sent.parameters.get("grant_type") == GrantType.CLIENT_CREDENTIALS:
        answer: Answer = server.create_token_response(sent)  # nothing is written: no transaction
    else:
        server.register_grant(grants.AuthorizationCodeGrant, [grants.ForcedPKCE(required=True)])
        server.register_grant(grants.RefreshTokenGrant)
        server.register_grant(grants.DeviceCodeGrant)
        actor = actor_of(request, sent.client.model)
        answer = await services.oauth.transact(actor, lambda store: _answer(server, sent, store))
    if answer.status != HTTPStatus.OK:
        return answer
    return Answer(answer.status, await services.access_tokens.sign(answer.body), answer.headers)


def _answer(server: Server, sent: Request, store: OAuthStore) -> Answer:
    server.store = store
    answer: Answer = server.create_token_response(sent)
    return answer


ROUTES = [client_endpoint("/oauth/token", _token)]
