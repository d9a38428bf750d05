"""The page where a person sees the API keys of their own, makes one, and takes one back."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from tenantry.model.errors import Code, FieldCode, FieldError, TenantryError
from tenantry.model.identity import Actor
from tenantry.model.oauth import meaning_of
from tenantry.model.permissions import OF_THE_PLATFORM, SCOPES, Permission
from tenantry.services.answers import Once
from tenantry.services.machines.keys import LIFETIME, NewKey, owner_of
from tenantry.web import pages
from tenantry.web.pages import Form
from tenantry.web.routes import ACTOR, SERVICES
from tenantry.wiring import Services

PATH = "/account/keys"
_DAY = 86_400  # seconds
#: how long a key may work, in seconds, for people; 0 for ever
_LIFETIMES = {7 * _DAY: "A week", 30 * _DAY: "30 days", LIFETIME: "90 days", 365 * _DAY: "A year", 0: "For ever"}


async def make(  # noqa: PLR0913 - one keyword per thing that a key may have
    services: Services,
    actor: Actor,
    name: str,
    scopes: Sequence[str],
    *,
    lifetime: int,
    allowed_cidrs: Sequence[str] = (),
    once: Once[NewKey] | None = None,
) -> NewKey:
    """Make a key of the actor's own, and tell them by mail.

    Raises:
        TenantryError: as of :meth:`tenantry.services.keys.Keys.create`.
    """
    made = await services.keys.create(
        actor,
        name,
        scopes,
        owner=owner_of(actor),
        needs=Permission.SELF,
        lifetime=lifetime,
        allowed_cidrs=allowed_cidrs,
        once=once,
    )
    user = await services.users.get(actor.user_id)
    await services.accounts.tell(user, f'An API key of your own was made: "{made.key.name}".')
    return made


async def _show(request: web.Request, form: Form) -> web.Response:
    return await _keys(request, form)


async def _create(request: web.Request, form: Form) -> web.Response:
    services, actor = request.app[SERVICES], request[ACTOR]
    scopes = [scope for scope in SCOPES if _box(scope) in form]
    try:
        made = await make(services, actor, form.get("name", ""), scopes, lifetime=_read_lifetime(form))
    except TenantryError as error:
        return await _keys(request, form, pages.wrong_fields(error))
    return pages.show(request, "new_key.html", name=made.key.name, token=made.token)


async def _revoke(request: web.Request, form: Form) -> web.Response:
    await request.app[SERVICES].keys.revoke_own(request[ACTOR], form.get("key", ""))
    return pages.redirect(request, f"{PATH}?notice=revoked")


async def _keys(request: web.Request, form: Form, error: TenantryError | None = None) -> web.Response:
    services, actor = request.app[SERVICES], request[ACTOR]
    tenant = await services.standing.tenant(actor.tenant_id) if actor.tenant_id else None
    problems = pages.problems_of(error)
    if "scopes" in problems:
        problems["scopes"] = "Choose at least one."
    return pages.show(
        request,
        "keys.html",
        status=422 if error else 200,
        notice="It is taken back." if request.query.get("notice") == "revoked" else "",
        tenant=tenant.name if tenant else "",
        keys=[
            {
                "id": key.id,
                "name": key.name,
                "made": pages.moment(key.created_at),
                "used": pages.moment(key.last_used_at),
                "until": pages.moment(key.expires_at),
                "meanings": [meaning_of(scope) for scope in key.scopes],
            }
            for key in (await services.access.held(actor.user_id)).keys
            if key.tenant_id == actor.tenant_id
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
    pages.page("GET", PATH, _show, needs=Permission.SELF),
    pages.page("POST", PATH, _create, needs=Permission.SELF),
    pages.page("POST", f"{PATH}/revoke", _revoke, needs=Permission.SELF),
]
