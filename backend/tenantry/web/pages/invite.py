"""The page that the link of an invite leads to: who is signed in accepts it, a stranger makes an account with it."""

from __future__ import annotations

from urllib.parse import urlencode

from aiohttp import web

from tenantry.model.errors import Code, TenantryError
from tenantry.services.people.invites import PAGE
from tenantry.web import rendering
from tenantry.web.pages.sign_in import HOME, let_in
from tenantry.web.rendering import Form
from tenantry.web.routes import ACTOR, SERVICES

_REPEATABLE = {Code.INVALID, Code.ALREADY_EXISTS}


async def _show(request: web.Request, form: Form) -> web.Response:
    if rendering.lacks_factor(request):
        return rendering.send_to_factor(request)
    return await _page(request, form)


async def _accept(request: web.Request, form: Form) -> web.Response:
    if rendering.lacks_factor(request):
        return rendering.send_to_factor(request, request.path)
    try:
        if request[ACTOR].session_id:
            return await _become_member(request)
        return await _join(request, form)
    except TenantryError as error:
        if error.code not in _REPEATABLE:
            raise
        return await _page(request, form, error)


async def _become_member(request: web.Request) -> web.Response:
    services, actor = request.app[SERVICES], request[ACTOR]
    opened = await services.invites.accept(actor, request.match_info["token"])
    await services.sessions.switch(actor, opened.tenant.name)
    return rendering.redirect(request, HOME)


async def _join(request: web.Request, form: Form) -> web.Response:
    services, actor = request.app[SERVICES], request[ACTOR]
    user = await services.invites.join(
        actor,
        request.match_info["token"],
        form.get("name", ""),
        form.get("password", ""),
        repeated=form.get("repeated", ""),
    )
    agent = request.headers.get("User-Agent", "")
    return let_in(request, await services.sign_in.begin(actor, user, ("pwd",), user_agent=agent))


async def _page(request: web.Request, form: Form, error: TenantryError | None = None) -> web.Response:
    services, actor = request.app[SERVICES], request[ACTOR]
    opened = await services.invites.open(request.match_info["token"])
    user = await services.standing.user(actor.user_id) if actor.session_id else None
    back = urlencode({"return_to": request.path})
    return rendering.show(
        request,
        "invite.html",
        status=422 if error else 200,
        invite=opened.invite,
        tenant=opened.tenant.name,
        inviter=(opened.inviter.name or opened.inviter.email) if opened.inviter else "",
        user=user,
        makes_accounts=opened.makes_accounts,
        sign_in=f"{rendering.base(request)}/login?{back}",
        sign_up=f"{rendering.base(request)}/sign-up?{back}",
        problem=rendering.sentence(error.message) if error and not error.fields else "",
        problems=rendering.problems_of(error),
        name=form.get("name", ""),
    )


ROUTES = [rendering.page("GET", PAGE, _show), rendering.page("POST", PAGE, _accept)]
