"""The page that shows a person what lets somebody act as them beside their password, and takes it all away.

After a new password by mail each sign-in leads by it, until it is answered.
"""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlencode

from aiohttp import web

from tenantry.model.permissions import Permission
from tenantry.services.people.sessions import NewSession
from tenantry.web import rendering
from tenantry.web.authentication import SESSION_COOKIE
from tenantry.web.rendering import Form
from tenantry.web.routes import ACTOR, SERVICES

PATH = "/account/access"
_HOME = "/account"


def before(session: NewSession, path: str) -> str:
    """Where the browser goes that wants to ``path`` with its new session: to the review, if that is to be answered."""
    if not session.must_review:
        return path
    return PATH if path in {PATH, _HOME} else f"{PATH}?{urlencode({'return_to': path})}"


async def _show(request: web.Request, form: Form) -> web.Response:
    services, actor = request.app[SERVICES], request[ACTOR]
    held = await services.access.held(actor.user_id)
    places = {place.tenant.id: place.tenant.name for place in await services.users.places(actor.user_id)}
    names = {provider.issuer: provider.display_name for provider in await services.providers.offered()}
    return rendering.show(
        request,
        "access.html",
        return_to=rendering.return_to(request, form),
        may_answer=await services.access.may_answer(actor),
        identities=[
            {
                "name": names.get(each.issuer, each.issuer),
                "who": each.email or each.subject,
                "since": _day(each.created_at),
            }
            for each in held.identities
        ],
        keys=[
            {
                "name": key.name,
                "where": places.get(key.tenant_id, "the platform"),
                "since": _day(key.created_at),
                "used": _day(key.last_used_at) if key.last_used_at else "",
            }
            for key in held.keys
        ],
    )


async def _keep(request: web.Request, form: Form) -> web.Response:
    await request.app[SERVICES].access.keep(request[ACTOR])
    return rendering.go_on(request, rendering.return_to(request, form) or _HOME)


async def _drop(request: web.Request, form: Form) -> web.Response:
    services, actor = request.app[SERVICES], request[ACTOR]
    user = await services.access.drop(actor)
    response = rendering.go_on(request, rendering.return_to(request, form) or f"{_HOME}?notice=access")
    rendering.set_cookie(response, SESSION_COOKIE, (await services.sessions.renew(actor, user)).cookie)
    return response


def _day(micros: int) -> str:
    return f"{datetime.fromtimestamp(micros / 1_000_000, UTC):%Y-%m-%d}"


ROUTES = [
    rendering.page("GET", PATH, _show, needs=Permission.SELF),
    rendering.page("POST", PATH, _drop, needs=Permission.SELF),
    rendering.page("POST", f"{PATH}/keep", _keep, needs=Permission.SELF),
]
