"""The page where a person sees the API keys of their own, makes one, and takes one back."""

from __future__ import annotations

from aiohttp import web

from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError
from tenantry.model.oauth import meaning_of
from tenantry.model.permissions import OF_THE_PLATFORM, SCOPES, Permission
from tenantry.services.machines.keys import LIFETIME
from tenantry.web import rendering
from tenantry.web.rendering import Form
from tenantry.web.routes import ACTOR, SERVICES

PATH = "/account/keys"
_DAY = 86_400  # seconds
#: how long a key may work, in seconds, for people; 0 for ever
_LIFETIMES = {7 * _DAY: "A week", 30 * _DAY: "30 days", LIFETIME: "90 days", 365 * _DAY: "A year", 0: "For ever"}


async def _show(request: web.Request, form: Form) -> web.Response:
    return await _keys(request, form)


async def _create(request: web.Request, form: Form) -> web.Response:
    services, actor = request.app[SERVICES], request[ACTOR]
    scopes = [scope for scope in SCOPES if _box(scope) in form]
    try:
        made = await services.access.make_key(actor, form.get("name", ""), scopes, lifetime=_read_lifetime(form))
    except TenantryError as error:
        return await _keys(request, form, rendering.wrong_fields(error))
    return rendering.show(request, "new_key.html", name=made.key.name, token=made.token)


async def _revoke(request: web.Request, form: Form) -> web.Response:
    await request.app[SERVICES].keys.revoke_own(request[ACTOR], form.get("key", ""))
    return rendering.redirect(request, f"{PATH}?notice=revoked")


async def _keys(request: web.Request, form: Form, error: TenantryError | None = None) -> web.Response:
    services, actor = request.app[SERVICES], request[ACTOR]
    tenant = await services.standing.tenant(actor.tenant_id) if actor.tenant_id else None
    problems = rendering.problems_of(error)
    if "scopes" in problems:
        problems["scopes"] = "Choose at least one."
    return rendering.show(
        request,
        "keys.html",
        status=422 if error else 200,
        notice="It is taken back." if request.query.get("notice") == "revoked" else "",
        tenant=tenant.name if tenant else "",
        suspended=actor.suspended,
        keys=[
            {
                "id": key.id,
                "name": key.name,
                "made": rendering.moment(key.created_at),
                "used": rendering.moment(key.last_used_at),
                "until": rendering.moment(key.expires_at),
                "meanings": [meaning_of(scope) for scope in key.scopes],
            }
            for key in (await services.access.held(actor.user_id)).keys_in(actor.tenant_id)
        ],
        scopes=[
            {"box": _box(scope), "scope": scope, "meaning": meaning_of(scope), "is_chosen": _box(scope) in form}
            for scope, granted in SCOPES.items()
            if granted <= actor.permissions and not (tenant and scope in OF_THE_PLATFORM)
        ],
        lifetimes=_LIFETIMES,
        lifetime=form.get("lifetime", str(LIFETIME)),
        name=form.get("name", ""),
        problems=problems,
    )


def _read_lifetime(form: Form) -> int:
    """The lifetime that was chosen, in seconds.

    Raises:
        TenantryError: ``INVALID`` at ``lifetime``.
    """
    try:
        return {str(seconds): seconds for seconds in _LIFETIMES}[form.get("lifetime", "")]
    except KeyError:
        wrong = FieldError("lifetime", FieldCode.NOT_SUPPORTED, "Invalid value: is none of these")
        raise TenantryError(Code.INVALID, "the lifetime is not one of these", [wrong]) from None


def _box(scope: str) -> str:
    """The field by which ``scope`` is chosen: a form has no field twice."""
    return f"scope:{scope}"


ROUTES = [
    rendering.page("GET", PATH, _show, needs=Permission.SELF),
    rendering.page("POST", PATH, _create, needs=Permission.SELF),
    rendering.page("POST", f"{PATH}/revoke", _revoke, needs=Permission.SELF),
]
