"""The pages by which a stranger makes an account: an address is proved by a mail first."""

from __future__ import annotations

from aiohttp import web

from tenantry.model.errors import TenantryError
from tenantry.services.people.sign_in import WITH_PASSWORD
from tenantry.web import federation, my_tenants, pages
from tenantry.web.invites import token_in
from tenantry.web.pages import Form
from tenantry.web.routes import ACTOR, SERVICES
from tenantry.web.sign_in import HOME, let_in

PATH = "/sign-up"
_LINK = f"{PATH}/{{token}}"


async def _show(request: web.Request, form: Form) -> web.Response:
    if request[ACTOR].session_id:
        return pages.redirect(request, my_tenants.NEW)
    return await _page(request, form)


async def _ask(request: web.Request, form: Form) -> web.Response:
    wanted = pages.return_to(request, form)
    try:
        await request.app[SERVICES].email_addresses.send_registration(
            request[ACTOR], form.get("email", ""), invite=token_in(wanted), return_to=wanted
        )
    except TenantryError as error:
        return await _page(request, form, pages.wrong_fields(error))
    return pages.show(request, "sign_up_asked.html")


async def _page(request: web.Request, form: Form, error: TenantryError | None = None) -> web.Response:
    services, wanted = request.app[SERVICES], pages.return_to(request, form)
    admits = await services.email_addresses.admits(token_in(wanted))
    return pages.show(
        request,
        "sign_up.html",
        status=422 if error else 200,
        policy=services.settings.sign_up,
        admits=admits,
        sends_mail=services.mail.is_on,
        email=form.get("email", ""),
        problems=pages.problems_of(error),
        return_to=wanted,
        providers=await federation.buttons(request) if admits else [],
    )


async def _show_link(request: web.Request, form: Form) -> web.Response:
    return await _account(request, form)


async def _register(request: web.Request, form: Form) -> web.Response:
    services, actor = request.app[SERVICES], request[ACTOR]
    try:
        pages.check_repeated(form)
        user = await services.email_addresses.register(
            actor, request.match_info["token"], form.get("name", ""), form.get("password", "")
        )
    except TenantryError as error:
        return await _account(request, form, pages.wrong_fields(error))
    signed_in = await services.sign_in.begin(
        actor, user, WITH_PASSWORD, user_agent=request.headers.get("User-Agent", "")
    )
    wanted = pages.return_to(request, form)
    return let_in(request, signed_in, wanted or (my_tenants.NEW if services.settings.sign_up == "Open" else HOME))


async def _account(request: web.Request, form: Form, error: TenantryError | None = None) -> web.Response:
    link = await request.app[SERVICES].email_addresses.find(request.match_info["token"])
    return pages.show(
        request,
        "register.html",
        status=422 if error else 200,
        email=link.email,
        name=form.get("name", ""),
        problems=pages.problems_of(error),
        return_to=pages.return_to(request, form),
    )


ROUTES = [
    pages.page("GET", PATH, _show),
    pages.page("POST", PATH, _ask),
    pages.page("GET", _LINK, _show_link),
    pages.page("POST", _LINK, _register),
]
