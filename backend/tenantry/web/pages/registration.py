"""The pages by which a stranger makes an account: an address is proved by a mail first."""

from __future__ import annotations

from aiohttp import web

from tenantry.model.errors import TenantryError
from tenantry.services.people.invites import token_in
from tenantry.services.people.sign_in import WITH_PASSWORD
from tenantry.web import rendering
from tenantry.web.pages import federation, tenants
from tenantry.web.pages.sign_in import HOME, let_in
from tenantry.web.rendering import Form
from tenantry.web.routes import ACTOR, SERVICES

PATH = "/sign-up"
_LINK = f"{PATH}/{{token}}"


async def _show(request: web.Request, form: Form) -> web.Response:
    if request[ACTOR].session_id:
        return rendering.redirect(request, tenants.NEW)
    return await _page(request, form)


async def _ask(request: web.Request, form: Form) -> web.Response:
    wanted = rendering.return_to(request, form)
    try:
        await request.app[SERVICES].email_addresses.send_registration(
            request[ACTOR], form.get("email", ""), invite=token_in(wanted), return_to=wanted
        )
    except TenantryError as error:
        return await _page(request, form, rendering.wrong_fields(error))
    return rendering.show(request, "sign_up_asked.html")


async def _page(request: web.Request, form: Form, error: TenantryError | None = None) -> web.Response:
    services, wanted = request.app[SERVICES], rendering.return_to(request, form)
    admits = await services.email_addresses.admits(token_in(wanted))
    return rendering.show(
        request,
        "sign_up.html",
        status=422 if error else 200,
        policy=services.settings.sign_up,
        admits=admits,
        sends_mail=services.mail.is_on,
        email=form.get("email", ""),
        problems=rendering.problems_of(error),
        return_to=wanted,
        providers=await federation.buttons(request) if admits else [],
    )


async def _show_link(request: web.Request, form: Form) -> web.Response:
    return await _account(request, form)


async def _register(request: web.Request, form: Form) -> web.Response:
    services, actor = request.app[SERVICES], request[ACTOR]
    try:
        user = await services.email_addresses.register(
            actor,
            request.match_info["token"],
            form.get("name", ""),
            form.get("password", ""),
            repeated=form.get("repeated", ""),
        )
    except TenantryError as error:
        return await _account(request, form, rendering.wrong_fields(error))
    signed_in = await services.sign_in.begin(
        actor, user, WITH_PASSWORD, user_agent=request.headers.get("User-Agent", "")
    )
    wanted = rendering.return_to(request, form)
    return let_in(request, signed_in, wanted or (tenants.NEW if services.settings.sign_up == "Open" else HOME))


async def _account(request: web.Request, form: Form, error: TenantryError | None = None) -> web.Response:
    link = await request.app[SERVICES].email_addresses.find(request.match_info["token"])
    return rendering.show(
        request,
        "register.html",
        status=422 if error else 200,
        email=link.email,
        name=form.get("name", ""),
        problems=rendering.problems_of(error),
        return_to=rendering.return_to(request, form),
    )


ROUTES = [
    rendering.page("GET", PATH, _show),
    rendering.page("POST", PATH, _ask),
    rendering.page("GET", _LINK, _show_link),
    rendering.page("POST", _LINK, _register),
]
