"""The page where the first administrator comes in, by a link that works once."""

from __future__ import annotations

from aiohttp import web

from tenantry.model.errors import TenantryError
from tenantry.services.people.sign_in import WITH_PASSWORD
from tenantry.web import rendering
from tenantry.web.pages.sign_in import let_in
from tenantry.web.rendering import Form
from tenantry.web.routes import ACTOR, SERVICES

PATH = "/setup/{token}"


async def _show(request: web.Request, form: Form) -> web.Response:
    await request.app[SERVICES].accounts.check_setup(request.match_info["token"])
    return _page(request, form)


async def _set_up(request: web.Request, form: Form) -> web.Response:
    services, actor = request.app[SERVICES], request[ACTOR]
    try:
        user = await services.accounts.set_up(
            actor,
            request.match_info["token"],
            form.get("email", ""),
            form.get("name", ""),
            form.get("password", ""),
            repeated=form.get("repeated", ""),
        )
    except TenantryError as error:
        return _page(request, form, rendering.wrong_fields(error))
    agent = request.headers.get("User-Agent", "")
    return let_in(request, await services.sign_in.begin(actor, user, WITH_PASSWORD, user_agent=agent))


def _page(request: web.Request, form: Form, error: TenantryError | None = None) -> web.Response:
    return rendering.show(
        request,
        "setup.html",
        status=422 if error else 200,
        problems=rendering.problems_of(error),
        email=form.get("email", ""),
        name=form.get("name", ""),
    )


ROUTES = [rendering.page("GET", PATH, _show), rendering.page("POST", PATH, _set_up)]
