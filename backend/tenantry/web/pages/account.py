"""The pages where people see to their own account: where they are signed in, and by what."""

from __future__ import annotations

from urllib.parse import urlencode

from aiohttp import web
from markupsafe import Markup

from tenantry.model import user_agent
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Session, User
from tenantry.model.permissions import Permission
from tenantry.services.people.sign_in import BY_APP
from tenantry.web import csrf, rendering
from tenantry.web.authentication import asks_anew, fresh_session, recent_session
from tenantry.web.pages import federation, tenants
from tenantry.web.pages.sign_in import give_session
from tenantry.web.rendering import Form
from tenantry.web.routes import ACTOR, SERVICES, Route

PATH = "/account"
_FACTOR = rendering.FACTOR


async def _show(request: web.Request, form: Form) -> web.Response:
    del form
    services, actor = request.app[SERVICES], request[ACTOR]
    user = await services.users.get(actor.user_id)
    found = await services.sessions.list(actor)
    active = next((session.tenant_id for session in found if session.id == actor.session_id), "")
    return rendering.show(
        request,
        "account.html",
        user=user,
        sessions=[_row(session, actor.session_id) for session in found],
        factor=await services.factors.state(actor.user_id),
        grants=len(await services.oauth.grants(actor)),
        keys=len((await services.access.held(actor.user_id)).keys_in(actor.tenant_id)),
        notice=_NOTICES.get(request.query.get("notice", ""), ""),
        sends_mail=services.mail.is_on,
        **await tenants.account(request, user, active),
        **await federation.account(request),
    )


_NOTICES = {
    "access": "It is all removed, and you are signed out everywhere else.",
    "tenant": "Your tenant is made, and you act in it.",
    "email": "It is noted that the address is yours.",
    "email-sent": "A mail with a link is on its way to you.",
    "password": "Your password is changed, and you are signed out everywhere else.",
    "factor-off": "Your password alone signs you in from now on. You are signed out everywhere else.",
}


async def _end_session(request: web.Request, form: Form) -> web.Response:
    try:
        await request.app[SERVICES].sessions.end(request[ACTOR], form.get("session", ""))
    except TenantryError as error:
        if error.code is Code.SIGN_IN_AGAIN:
            return rendering.send_to_login(request, PATH, fresh=await asks_anew(request))
        raise
    return rendering.redirect(request, PATH)


async def _show_password(request: web.Request, form: Form) -> web.Response:
    return await _password(request, form)


async def _change_password(request: web.Request, form: Form) -> web.Response:
    services, actor = request.app[SERVICES], request[ACTOR]
    try:
        user = await services.accounts.change_password(
            actor, form.get("current", ""), form.get("password", ""), repeated=form.get("repeated", "")
        )
    except TenantryError as error:
        return await _password(request, form, rendering.wrong_fields(error))
    return await _begin_anew(request, user, rendering.redirect(request, f"{PATH}?notice=password"))


async def _password(request: web.Request, form: Form, error: TenantryError | None = None) -> web.Response:
    del form
    user = await request.app[SERVICES].users.get(request[ACTOR].user_id)
    return rendering.show(
        request,
        "password.html",
        status=422 if error else 200,
        email=user.email,
        problems=rendering.problems_of(error),
    )


async def _show_factor(request: web.Request, form: Form) -> web.Response:
    return await _factor(request, form)


async def _enrol_factor(request: web.Request, form: Form) -> web.Response:
    try:
        await request.app[SERVICES].factors.enrol(request[ACTOR], form.get("password", ""))
    except TenantryError as error:
        return await _factor(request, form, error)
    wanted = rendering.return_to(request, form)
    return rendering.redirect(request, _FACTOR + (f"?{urlencode({'return_to': wanted})}" if wanted else ""))


async def _confirm_factor(request: web.Request, form: Form) -> web.Response:
    try:
        confirmed = await request.app[SERVICES].factors.confirm(request[ACTOR], form.get("code", ""))
    except TenantryError as error:
        return await _factor(request, form, error)
    renewed = await request.app[SERVICES].sign_in.renew(request[ACTOR], confirmed.user, proved=BY_APP)
    token = csrf.token_of(renewed.session.cookie)  # the forms of this page are of the session that comes with it
    response = rendering.show(
        request,
        "recovery_codes.html",
        codes=confirmed.recovery_codes,
        csrf=token,
        wanted=rendering.return_to(request, form) or PATH,
    )
    give_session(response, renewed)
    return response


async def _disable_factor(request: web.Request, form: Form) -> web.Response:
    try:
        user = await request.app[SERVICES].factors.disable(request[ACTOR], form.get("password", ""))
    except TenantryError as error:
        return await _factor(request, form, error)
    done = rendering.redirect(request, f"{PATH}?notice=factor-off")
    return await _begin_anew(request, user, done, gone=BY_APP)


async def _factor(request: web.Request, form: Form, error: TenantryError | None = None) -> web.Response:
    services, actor, wanted = request.app[SERVICES], request[ACTOR], rendering.return_to(request, form)
    factor, pending = await services.factors.state(actor.user_id), await services.factors.pending(actor)
    must = rendering.lacks_factor(request)
    if must and factor.since:
        return rendering.send_to_login(request, wanted or _FACTOR, fresh=await asks_anew(request))
    user, fresh = await services.users.get(actor.user_id), not must or await asks_anew(request)
    if error and error.code is Code.SIGN_IN_AGAIN:
        return rendering.send_to_login(request, wanted or _FACTOR, fresh=fresh)
    lately = await (recent_session if must else fresh_session)(request)
    if not (user.password_hash or factor.since or pending) and lately is None:
        return rendering.send_to_login(request, fresh=fresh)
    return rendering.show(
        request,
        "factor.html",
        status=422 if error else 200,
        problems=rendering.problems_of(error and rendering.wrong_fields(error)),
        factor=factor,
        pending=pending,
        must=must,
        asks_password=bool(user.password_hash),
        email=user.email,
        return_to=wanted,
        qr=_drawn(pending.uri) if pending else "",
    )


def _drawn(uri: str) -> Markup:
    """The QR code of ``uri``."""
    import segno  # noqa: PLC0415 - for few who come here, and not for every start

    return Markup(segno.make_qr(uri).svg_inline(scale=4, border=4, light="#fff"))  # noqa: S704 - made here


async def _begin_anew(
    request: web.Request, user: User, response: web.Response, *, gone: tuple[str, ...] = ()
) -> web.Response:
    """Let the browser that changed how ``user`` signs in stay signed in."""
    give_session(response, await request.app[SERVICES].sign_in.renew(request[ACTOR], user, gone=gone))
    return response


def _row(session: Session, current: str) -> dict[str, object]:
    return {
        "id": session.id,
        "browser": user_agent.describe(session.user_agent),
        "ip": session.ip,
        "began": rendering.moment(session.created_at),
        "seen": rendering.moment(session.last_seen_at),
        "is_this": session.id == current,
    }


def _page(method: str, path: str, handle: rendering.Handle) -> Route:
    return rendering.page(method, path, handle, needs=Permission.SELF)


ROUTES = [
    _page("GET", PATH, _show),
    _page("POST", f"{PATH}/sessions/end", _end_session),
    _page("GET", f"{PATH}/password", _show_password),
    _page("POST", f"{PATH}/password", _change_password),
    rendering.page("GET", _FACTOR, _show_factor, needs=Permission.SIGNED_IN),
    rendering.page("POST", f"{_FACTOR}/enrol", _enrol_factor, needs=Permission.SIGNED_IN),
    rendering.page("POST", f"{_FACTOR}/confirm", _confirm_factor, needs=Permission.SIGNED_IN),
    _page("POST", f"{_FACTOR}/disable", _disable_factor),
]
