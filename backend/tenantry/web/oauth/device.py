"""Sign-in on a device without a browser (RFC 8628): the device asks, a person compares a code and says yes or no.

The page never submits by itself and a link may fill the code in but not send it: whoever has sent somebody a link must
not get their tokens by it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import urlencode

from aiohttp import web
from authlib.oauth2.rfc6749.errors import InvalidScopeError, UnauthorizedClientError

from tenantry.model.errors import Code, TenantryError
from tenantry.model.oauth import DEVICE_INTERVAL, DEVICE_SECONDS, IDENTITY_SCOPES, GrantType, lifetime_of, meanings_of
from tenantry.model.permissions import OF_THE_PLATFORM, Permission
from tenantry.services.oauth.grants import tenant_of
from tenantry.services.throttle import DEVICE_CODES, network_of
from tenantry.web import rendering
from tenantry.web.authentication import fresh_session
from tenantry.web.oauth.grants import check_resource
from tenantry.web.oauth.server import Answer, Request, Server, actor_of, client_endpoint, find_client
from tenantry.web.rendering import Form
from tenantry.web.routes import ACTOR, SERVICES

_IN_NO_TENANT = (
    "A device acts in one tenant, and you are in none: choose one at your account, or open an invite to one, "
    "then type the code again."
)
_FOR_THE_PLATFORM = (
    " It never acts for the platform: to administer that, run `tenantry login` without --device where your browser is, "
    "or give the device an API key."
)


async def _authorize(request: web.Request, server: Server, sent: Request) -> Answer:
    client = sent.client.model
    if GrantType.DEVICE_CODE not in client.grant_types:
        raise UnauthorizedClientError("The client may not use the device flow.")
    check_resource(sent, server)
    scopes = tuple(dict.fromkeys(sent.parameters.get("scope", "").split()))
    if not scopes:
        raise InvalidScopeError("Missing 'scope' in request.")
    if not set(scopes) <= set(client.scopes) - OF_THE_PLATFORM:
        raise InvalidScopeError("A device may not have all of these scopes.")
    actor, oauth = actor_of(request, client), request.app[SERVICES].oauth
    code, device = await oauth.transact(actor, lambda store: store.add_device(client.id, scopes))
    page, user_code = f"{server.issuer}/device", _spell(device.user_code)
    body = {
        "device_code": code,
        "user_code": user_code,
        "verification_uri": page,
        "verification_uri_complete": f"{page}?{urlencode({'user_code': user_code})}",
        "expires_in": DEVICE_SECONDS,
        "interval": DEVICE_INTERVAL,
    }
    return Answer(HTTPStatus.OK, body)


async def _show(request: web.Request, form: Form) -> web.Response:
    del form
    if await fresh_session(request) is None:
        return rendering.send_to_login(request, fresh=True)
    return rendering.show(request, "device.html", user_code=request.query.get("user_code", "")[:20], problem="")


async def _compare(request: web.Request, form: Form) -> web.Response:
    """Show what waits behind the code that was typed, or do what the person has said about it."""
    session = await fresh_session(request)
    if session is None:
        return rendering.send_to_login(request, fresh=True)
    services, actor = request.app[SERVICES], request[ACTOR]
    tries = [await services.throttle.admit(DEVICE_CODES, each) for each in (session.id, network_of(actor.ip))]
    typed = form.get("user_code", "")
    device = await services.oauth.find_device(typed)
    found = await find_client(services, device.client_id) if device else None
    if device is None or found is None or found.client.disabled:
        problem = "There is no such code, or it has expired. Look at the device again."
        return rendering.show(request, "device.html", status=422, user_code=typed[:20], problem=problem)
    for good in tries:
        await services.throttle.give_back(good)
    decision = form.get("decision", "")
    acts_in = tenant_of(found.client, session)
    tenant = await services.standing.tenant(acts_in) if acts_in else None
    if tenant is None and not IDENTITY_SCOPES.keys() >= set(device.scopes):
        user = await services.users.get(session.user_id)
        problem = _IN_NO_TENANT + (_FOR_THE_PLATFORM if user.platform_admin else "")
        return rendering.show(request, "device.html", status=422, user_code=typed[:20], problem=problem)
    if decision not in {"allow", "deny"} or form.get("acts_in", acts_in) != acts_in:  # they have gone to another tenant
        return rendering.show(
            request,
            "device_confirm.html",
            client=found.client,
            device=device,
            acts_in=acts_in,
            user=await services.users.get(session.user_id),
            tenant=tenant.name if tenant else "",
            user_code=_spell(device.user_code),
            asked_at=datetime.fromtimestamp(device.created_at / 1_000_000, UTC),
            meanings=meanings_of(device.scopes, acts_in),
            lifetime=lifetime_of({"offline_access"}),  # a device has no session of a browser to end with
        )
    yes, client = decision == "allow", found.client
    done = await services.oauth.transact(actor, lambda store: store.decide_device(device, client, session, yes=yes))
    if not done:
        raise TenantryError(Code.CONFLICT, "that was decided before, or it is too late")
    return rendering.show(request, "device_done.html", yes=yes, client=client)


def _spell(user_code: str) -> str:
    return f"{user_code[:4]}-{user_code[4:]}"


ROUTES = [
    client_endpoint("/oauth/device_authorization", _authorize),
    rendering.page("GET", "/device", _show, needs=Permission.SELF, fresh=True),
    rendering.page("POST", "/device", _compare, needs=Permission.SELF, fresh=True),
]
