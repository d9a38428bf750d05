"""The pages for who has forgotten their password."""

from __future__ import annotations

from aiohttp import web

from tenantry.model.errors import TenantryError
from tenantry.model.identity import User
from tenantry.web import rendering
from tenantry.web.authentication import SESSION_COOKIE
from tenantry.web.rendering import Form
from tenantry.web.routes import ACTOR, SERVICES

_FORGOT = "/password/forgot"
_RESET = "/password/reset/{token}"


async def _show_forgot(request: web.Request, form: Form) -> web.Response:
    del form
    return rendering.show(request, "forgot.html", sends_mail=request.app[SERVICES].mail.is_on)


async def _ask(request: web.Request, form: Form) -> web.Response:
    services = request.app[SERVICES]
    if services.mail.is_on:
        services.accounts.send_reset_link(request[ACTOR], form.get("email", ""))
    return rendering.show(request, "forgot.html", sends_mail=services.mail.is_on, asked=True)


async def _show_reset(request: web.Request, form: Form) -> web.Response:
    del form
    return _reset(request, await request.app[SERVICES].accounts.find_reset(request.match_info["token"]))


async def _set(request: web.Request, form: Form) -> web.Response:
    accounts, token = request.app[SERVICES].accounts, request.match_info["token"]
    try:
        await accounts.reset_password(
            request[ACTOR], token, form.get("password", ""), repeated=form.get("repeated", "")
        )
    except TenantryError as error:
        rendering.wrong_fields(error)
        return _reset(request, await accounts.find_reset(token), error)
    response = rendering.redirect(request, "/login?notice=password-set")
    rendering.drop_cookie(response, SESSION_COOKIE)
    return response


def _reset(request: web.Request, user: User, error: TenantryError | None = None) -> web.Response:
    return rendering.show(
        request, "reset.html", status=422 if error else 200, email=user.email, problems=rendering.problems_of(error)
    )


ROUTES = [
    rendering.page("GET", _FORGOT, _show_forgot),
    rendering.page("POST", _FORGOT, _ask),
    rendering.page("GET", _RESET, _show_reset),
    rendering.page("POST", _RESET, _set),
]
