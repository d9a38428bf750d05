"""A client sends a person here to be signed out (OpenID Connect RP-Initiated Logout)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from tenantry.model.errors import Code, TenantryError
from tenantry.model.oauth import OAuthClient
from tenantry.web import rendering
from tenantry.web.oauth.forms import forwarding
from tenantry.web.oauth.parameters import Parameters, parse, read_query
from tenantry.web.oauth.server import find_client
from tenantry.web.rendering import Form
from tenantry.web.routes import ACTOR, SERVICES

_PATH = "/oauth/logout"
#: where the page that asks sends the answer of the person
_CONFIRMED = f"{_PATH}/confirm"


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a client wants: ``sid`` is the session that its ID token is of; ``target`` is where to go then, if any."""

    client: OAuthClient | None
    sid: str
    target: str


async def _show(request: web.Request, form: Form) -> web.Response:
    del form
    parameters = read_query(request)
    wish = await _read(request, parameters)
    session_id = request[ACTOR].session_id
    if not session_id or session_id == wish.sid:  # who has its ID token has signed the person in
        return await _sign_out(request, wish)
    return rendering.show(
        request,
        "oauth_logout.html",
        client=wish.client,
        confirm_path=_CONFIRMED,
        form_targets=(rendering.form_target(wish.target),) if wish.target else (),
        request_query=urlencode(parameters),
    )


async def _confirm(request: web.Request, form: Form) -> web.Response:
    return await _sign_out(request, await _read(request, parse(form.get("request", "").encode(errors="replace"))))


async def _sign_out(request: web.Request, wish: _Wish) -> web.Response:
    if wish.target:
        response = rendering.leave(request, wish.target)
    else:
        response = rendering.redirect(request, "/login?notice=signed-out")
    actor = request[ACTOR]
    if actor.session_id:
        await request.app[SERVICES].sessions.end(actor, actor.session_id)
    rendering.forget_session(response)
    return response


async def _read(request: web.Request, parameters: Parameters) -> _Wish:
    services = request.app[SERVICES]
    hint = parameters.get("id_token_hint", "")
    claims = await services.access_tokens.read_hint(hint) if hint else None
    audience = claims.get("aud", "") if claims else ""
    hinted = audience if isinstance(audience, str) else ""
    named = parameters.get("client_id", hinted)
    if hinted and named != hinted:
        raise TenantryError(Code.BAD_REQUEST, "id_token_hint is for another client than client_id says")
    found = await find_client(services, named)
    if found and found.client.disabled:
        found = None
    target = parameters.get("post_logout_redirect_uri", "")
    if target and (found is None or target not in found.client.post_logout_uris):
        raise TenantryError(Code.BAD_REQUEST, "post_logout_redirect_uri is not one that the client has registered")
    if target and "state" in parameters:
        target += ("&" if urlsplit(target).query else "?") + urlencode({"state": parameters["state"]})
    sid = claims.get("sid", "") if claims else ""
    return _Wish(found.client if found else None, sid if isinstance(sid, str) else "", target)


ROUTES = [
    rendering.page("GET", _PATH, _show),
    forwarding(_PATH),
    rendering.page("POST", _CONFIRMED, _confirm),
]
