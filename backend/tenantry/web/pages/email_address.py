"""The pages by which people prove that the address of their account is theirs."""

from __future__ import annotations

from aiohttp import web

from tenantry.model.permissions import Permission
from tenantry.web import rendering
from tenantry.web.rendering import Form
from tenantry.web.routes import ACTOR, SERVICES

_PATH = "/account/email"
_LINK = f"{_PATH}/{{token}}"


async def _ask(request: web.Request, form: Form) -> web.Response:
    del form
    await request.app[SERVICES].email_addresses.send_proof(request[ACTOR])
    return rendering.redirect(request, "/account?notice=email-sent")


async def _show(request: web.Request, form: Form) -> web.Response:
    del form
    services = request.app[SERVICES]
    return rendering.show(request, "prove_email.html", user=await services.standing.user(request[ACTOR].user_id))


async def _prove(request: web.Request, form: Form) -> web.Response:
    del form
    await request.app[SERVICES].email_addresses.prove(request[ACTOR], request.match_info["token"])
    return rendering.redirect(request, "/account?notice=email")


ROUTES = [
    rendering.page("POST", _PATH, _ask, needs=Permission.SELF),
    rendering.page("GET", _LINK, _show, needs=Permission.SELF),
    rendering.page("POST", _LINK, _prove, needs=Permission.SELF),
]
