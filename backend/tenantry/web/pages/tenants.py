"""The pages where people see the tenants that they belong to, choose the one to act in, and make one of their own."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import User
from tenantry.model.permissions import Permission
from tenantry.web import rendering
from tenantry.web.rendering import Form
from tenantry.web.routes import ACTOR, SERVICES

#: where a tenant is made
NEW = "/account/tenants/new"
_HOME = "/account"
#: the pattern of a name, for people
_PATTERN = "Must be lower-case letters, digits and hyphens, with a letter first and no hyphen last, at most 40."
#: what is wrong with a name that somebody else has or had
_TAKEN = {Code.ALREADY_EXISTS, Code.NAME_TOMBSTONED}


async def account(request: web.Request, user: User, active: str) -> dict[str, Any]:
    """For the account's page: the ``tenants`` that one belongs to, the ``active`` one, and whether one may make more.

    Args:
        request: of the person.
        user: they.
        active: identity of the tenant that their session acts in.
    """
    services = request.app[SERVICES]
    places = await services.users.places(user.id)
    return {
        "tenants": places,
        "active": next((place.tenant for place in places if place.tenant.id == active), None),
        "for_platform": user.platform_admin,
        "may_make_tenants": await services.sign_up.admits(request[ACTOR]),
    }


async def _switch(request: web.Request, form: Form) -> web.Response:
    if "tenant" not in form:
        raise TenantryError(Code.BAD_REQUEST, "the form has no field tenant")
    await request.app[SERVICES].sessions.switch(request[ACTOR], form["tenant"])
    return rendering.redirect(request, _HOME)


async def _show_new(request: web.Request, form: Form) -> web.Response:
    return await _new(request, form)


async def _create(request: web.Request, form: Form) -> web.Response:
    services, actor = request.app[SERVICES], request[ACTOR]
    name = form.get("name", "")
    try:
        await services.sign_up.create(actor, name, form.get("displayName", ""))
    except TenantryError as error:
        if error.code in _TAKEN:
            return await _new(request, form, {"name": rendering.sentence(error.message)})
        problems = rendering.problems_of(rendering.wrong_fields(error))
        if any(field.path == "name" and "should match" in field.message for field in error.fields):
            problems["name"] = _PATTERN
        return await _new(request, form, problems)
    await services.sessions.switch(actor, name)
    return rendering.redirect(request, f"{_HOME}?notice=tenant")


async def _new(request: web.Request, form: Form, problems: dict[str, str] | None = None) -> web.Response:
    return rendering.show(
        request,
        "new_tenant.html",
        status=422 if problems else 200,
        admits=await request.app[SERVICES].sign_up.admits(request[ACTOR]),
        name=form.get("name", ""),
        display_name=form.get("displayName", ""),
        problems=problems or {},
    )


ROUTES = [
    rendering.page("POST", "/account/tenants/switch", _switch, needs=Permission.SELF),
    rendering.page("GET", NEW, _show_new, needs=Permission.SELF),
    rendering.page("POST", NEW, _create, needs=Permission.SELF),
]
