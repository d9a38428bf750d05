"""The token endpoint (RFC 6749, 3.2)."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from tenantry.model.permissions import Permission
from tenantry.web.oauth import grants
from tenantry.web.oauth.server import Answer, open_request, render, render_error
from tenantry.web.routes import SERVICES, Cookie, Route


async def _token(request: web.Request) -> web.Response:
    services = request.app[SERVICES]
    try:
        server, sent = await open_request(request)
        server.register_grant(grants.ClientCredentialsGrant)
        answer: Answer = server.create_token_response(sent)
        if answer.status == HTTPStatus.OK:
            answer = Answer(answer.status, await services.access_tokens.sign(answer.body), answer.headers)
        return render(answer)
    except Exception as error:  # noqa: BLE001 - what it does not know it raises again
        return render_error(error)


ROUTES = [Route("POST", "/oauth/token", _token, needs=Permission.PUBLIC, session=Cookie.CLIENT)]
