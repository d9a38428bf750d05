"""The pages by which people sign in and out."""

from __future__ import annotations

from aiohttp import web

from tenantry.model.errors import Code, TenantryError
from tenantry.services.people.sign_in import Halfway, SignedIn
from tenantry.web import rendering
from tenantry.web.authentication import SESSION_COOKIE
from tenantry.web.pages import access, federation, halfway
from tenantry.web.rendering import Form
from tenantry.web.routes import ACTOR, SERVICES

#: names a browser that has signed in before: for the throttle, not as a credential
DEVICE_COOKIE = "__Host-tenantry-device"
_DEVICE_SECONDS = 365 * 86_400
#: where people are sent who have not said where they want to be
HOME = "/account"


async def _show_login(request: web.Request, form: Form) -> web.Response:
    return await _login(request, form)


async def _log_in(request: web.Request, form: Form) -> web.Response:
    try:
        signed_in = await request.app[SERVICES].sign_in.with_password(
            request[ACTOR],
            form.get("email", ""),
            form.get("password", ""),
            device=request.cookies.get(DEVICE_COOKIE, ""),
            user_agent=request.headers.get("User-Agent", ""),
        )
    except TenantryError as error:
        if error.code is not Code.UNAUTHENTICATED:
            raise
        return await _login(request, form, rendering.sentence(error.message))
    wanted = rendering.return_to(request, form)
    if isinstance(signed_in, Halfway):
        return halfway.ask_for_code(request, signed_in.token, wanted)
    return let_in(request, signed_in, wanted)


async def _show_code(request: web.Request, form: Form) -> web.Response:
    if halfway.COOKIE not in request.cookies:
        return rendering.redirect(request, "/login")
    return _code(request, form)


async def _send_code(request: web.Request, form: Form) -> web.Response:
    try:
        signed_in = await request.app[SERVICES].sign_in.with_code(
            request[ACTOR],
            request.cookies.get(halfway.COOKIE, ""),
            form.get("code", ""),
            user_agent=request.headers.get("User-Agent", ""),
        )
    except TenantryError as error:
        if error.code is Code.NOT_FOUND:
            response = rendering.redirect(request, "/login?notice=begin-again")
            rendering.drop_cookie(response, halfway.COOKIE)
            return response
        if error.code is not Code.UNAUTHENTICATED:
            raise
        return _code(request, form, rendering.sentence(error.message))
    response = let_in(request, signed_in, rendering.return_to(request, form))
    rendering.drop_cookie(response, halfway.COOKIE)
    return response


def _code(request: web.Request, form: Form, problem: str = "") -> web.Response:
    return rendering.show(
        request,
        "code.html",
        status=422 if problem else 200,
        problem=problem,
        return_to=rendering.return_to(request, form),
    )


async def _login(request: web.Request, form: Form, problem: str = "") -> web.Response:
    return_to, fresh = rendering.return_to(request, form), rendering.is_fresh(request, form)
    notice = _NOTICES.get(request.query.get("notice", ""), "")
    if fresh and request[ACTOR].session_id:
        notice = "To go on, sign in once more."
    return rendering.show(
        request,
        "login.html",
        status=422 if problem else 200,
        problem=problem,
        notice="" if problem else notice,
        email=form.get("email", ""),
        is_open=request.app[SERVICES].settings.sign_up == "Open",
        return_to=return_to,
        fresh=fresh,
        providers=await federation.buttons(request),
    )


#: what the page before has done, by the word that it adds to our address
_NOTICES = {
    "signed-out": "You are signed out.",
    "password-set": "Your password is set. Sign in with it.",
    "begin-again": "That took too long, or was sent twice. Sign in again.",
    "late": "You were no longer signed in when you sent that. Sign in, and see whether it was done.",
}


def let_in(request: web.Request, signed_in: SignedIn, path: str = "") -> web.Response:
    """Give the browser its new session, and send it to ``path``, by the page that the user must see first if any."""
    response = rendering.go_on(request, access.before(signed_in.session, path or HOME))
    give_session(response, signed_in)
    rendering.drop_cookie(response, rendering.FORM_COOKIE)
    return response


def give_session(response: web.Response, signed_in: SignedIn) -> None:
    """Let ``response`` bring the browser its new session."""
    rendering.set_cookie(response, SESSION_COOKIE, signed_in.session.cookie)
    rendering.set_cookie(response, DEVICE_COOKIE, signed_in.device, seconds=_DEVICE_SECONDS)


async def _show_logout(request: web.Request, form: Form) -> web.Response:
    del form
    return rendering.show(request, "logout.html")


async def _log_out(request: web.Request, form: Form) -> web.Response:
    del form
    return await sign_out(request, "/login?notice=signed-out")


async def sign_out(request: web.Request, path: str) -> web.Response:
    """End the session that ``request`` comes with, if any, and send the browser to ``path``."""
    actor = request[ACTOR]
    if actor.session_id:
        await request.app[SERVICES].sessions.end(actor, actor.session_id)
    response = rendering.redirect(request, path)
    rendering.forget_session(response)
    return response


ROUTES = [
    rendering.page("GET", "/login", _show_login),
    rendering.page("POST", "/login", _log_in),
    rendering.page("GET", halfway.PATH, _show_code),
    rendering.page("POST", halfway.PATH, _send_code),
    rendering.page("GET", "/logout", _show_logout),
    rendering.page("POST", "/logout", _log_out),
]
