"""Pages for people: rendered on the server, without any script, with forms that no other site can send.

A form carries a token in the field ``csrf``: the session's, or, before anybody has signed in, one that belongs to a
cookie of its own. :func:`page` reads and checks the form before the handler is called.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp_jinja2
import jinja2
from aiohttp import web

from tenantry.model.errors import Code, TenantryError
from tenantry.model.permissions import Permission
from tenantry.web import csrf, errors
from tenantry.web.authentication import ANONYMOUS, SESSION_COOKIE, origin
from tenantry.web.routes import ACTOR, SERVICES, Cookie, Route

Form = Mapping[str, str]
Handle = Callable[[web.Request, Form], Awaitable[web.StreamResponse]]

#: what a form before sign-in belongs to
FORM_COOKIE = "__Host-tenantry-form"
FORM_BYTES = 64 * 1024
#: characters of an address in a head: proxies take 4 KiB for all of that (nginx's ``proxy_buffer_size``); and of any to
#: which a browser is sent, which must fit in the first line of its request (8 KiB: ``large_client_header_buffers``)
_LOCATION = 2048
_ADDRESS = 7 * 1024
#: where people turn two-step sign-in on and off
FACTOR = "/account/mfa"

#: ``no-referrer`` would make browsers send ``Origin: null`` with our own forms
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action "


@cache
def environment() -> jinja2.Environment:
    """What renders our templates; it keeps each that it has compiled."""
    return jinja2.Environment(loader=jinja2.PackageLoader("tenantry.web"), autoescape=True)


def page(
    method: str, path: str, handle: Handle, *, needs: Permission = Permission.PUBLIC, fresh: bool = False
) -> Route:
    """The route of a page, or of what one of its forms sends; strangers send only so many a minute.

    Args:
        method: GET or POST.
        path: as in :class:`Route`.
        handle: gets the request and the fields of the form; none with GET.
        needs: ``SELF`` for who is signed in; a stranger is sent to ``/login`` and comes back.
        fresh: as in :class:`Route`.
    """

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.method in csrf.SAFE:
            return await handle(request, {})
        form = await _read_form(request)
        if needs is Permission.PUBLIC:
            request.app[SERVICES].rate_limits.admit_form(request[ACTOR].ip)
        return await handle(request, form)

    return Route(method, path, handler, needs, session=Cookie.FORM, fresh=fresh)


def show(
    request: web.Request, template: str, *, status: int = 200, form_targets: tuple[str, ...] = (), **context: Any
) -> web.Response:
    """The page that ``template`` makes of ``context``.

    Args:
        request: to which it answers.
        template: file name.
        status: HTTP code.
        form_targets: origins beside ours to which a form of the page may lead in the end (Chromium applies
            ``form-action`` to redirects too).
        context: beside ``base``, the path that all our links begin with, ``csrf`` for the forms, and ``actor``.
    """
    actor = request.get(ACTOR, ANONYMOUS)  # who was refused before it was looked who they are is a stranger
    session, form = request.cookies.get(SESSION_COOKIE, ""), ""
    if not actor.session_id:
        session = ""
        form = request.cookies.get(FORM_COOKIE, "") or secrets.token_urlsafe(32)
    response = aiohttp_jinja2.render_template(
        template,
        request,
        {"base": base(request), "csrf": csrf.token_of(session or form), "actor": actor, **context},
        status=status,
    )
    response.headers.update(_HEADERS)
    response.headers["Content-Security-Policy"] = _POLICY + " ".join(("'self'", *form_targets))
    if form and form != request.cookies.get(FORM_COOKIE):
        set_cookie(response, FORM_COOKIE, form)
    return response


def form_target(uri: str) -> str:
    """What ``form-action`` must name for a redirect to ``uri``: its origin, or the scheme of an app of its own."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"


def show_error(request: web.Request, error: TenantryError, request_id: str) -> web.Response:
    """``error`` as a page."""
    rendering = errors.TABLE[error.code]
    response = show(
        request,
        "error.html",
        status=rendering.status,
        title=rendering.title,
        message=sentence(error.message),
        request_id=request_id,
    )
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def redirect(request: web.Request, path: str) -> web.Response:
    """Send the browser to another page of ours, by GET (RFC 9110, 15.4.4).

    Raises:
        TenantryError: ``BAD_REQUEST``, its address is too long.
    """
    return leave(request, base(request) + path)


def go_on(request: web.Request, path: str) -> web.Response:
    """Send the browser from a form to the page of ours that it wanted.

    What clients ask for may lead it to them at once: there it goes by a page, since Chromium applies ``form-action`` to
    every redirect that follows a form.
    """
    if path.startswith("/oauth/"):
        return depart(request, base(request) + path, "You are signed in.")
    return redirect(request, path)


def depart(request: web.Request, url: str, message: str) -> web.Response:
    """A page that says ``message`` and leads to ``url`` by itself."""
    return show(request, "depart.html", url=url, message=message)


def leave(request: web.Request, address: str) -> web.Response:
    """Send the browser to an address, which must have been checked if it is somebody else's.

    A long one stands in a page, and not in the head of the answer.

    Raises:
        TenantryError: ``BAD_REQUEST``, it is longer than what asks for it may be.
    """
    if len(address) > _ADDRESS:
        message = f"the request is too long to be sent on, which makes {len(address)} characters of {_ADDRESS} at most"
        raise TenantryError(Code.BAD_REQUEST, message)
    if len(address) > _LOCATION:
        return depart(request, address, "You are sent on.")
    return web.Response(status=303, headers={**_HEADERS, "Location": address})


def send_to_login(request: web.Request, path: str = "", *, fresh: bool = False) -> web.Response:
    """Let them sign in first, a stranger or who must do so again, and come back to ``path`` or what they wanted.

    Args:
        request: of the page that they may not see yet.
        path: where to then; the page itself when empty.
        fresh: as in :func:`login_path`.
    """
    if request.method in csrf.SAFE:
        return redirect(request, login_path(path or request.path_qs, fresh=fresh))
    resource = request.match_info.route.resource or ()
    is_page = any(route.method == "GET" for route in resource)  # and not only what a form is sent to
    notice = "" if request[ACTOR].session_id else "late"
    return redirect(request, login_path(path or (request.path if is_page else ""), fresh=fresh, notice=notice))


def login_path(wanted: str, *, fresh: bool = False, notice: str = "") -> str:
    """Where one signs in and then goes on to ``wanted``; ``fresh``: no earlier sign-in elsewhere counts for it."""
    said = {"fresh": "1"} if fresh else {}
    return "/login?" + urlencode({"return_to": wanted} | said | ({"notice": notice} if notice else {}))


def is_fresh(request: web.Request, form: Form) -> bool:
    """Whether the page was asked for with, or its form says, that an earlier sign-in elsewhere does not count."""
    return bool(form.get("fresh") or request.query.get("fresh"))


def lacks_factor(request: web.Request) -> bool:
    """Whether somebody is signed in without the second factor that they must have."""
    return request[ACTOR].lacks_factor


def send_to_factor(request: web.Request, path: str = "") -> web.Response:
    """Let who lacks a second factor turn it on first, and come back to ``path``, or the page that they wanted."""
    wanted = path or (request.path_qs if request.method in csrf.SAFE else "")
    return redirect(request, FACTOR + (f"?{urlencode({'return_to': wanted})}" if wanted else ""))


def send_on(request: web.Request, *, fresh: bool) -> web.Response | None:
    """Where somebody is sent who may not see a page yet; None when there is nothing that they can do about it."""
    if request[ACTOR].name == ANONYMOUS.name:
        return send_to_login(request, fresh=fresh)
    return send_to_factor(request) if lacks_factor(request) else None


def is_ours(path: str) -> bool:
    """Whether ``path`` is one of this server that a browser may be sent back to, and nothing that leads elsewhere."""
    return path.startswith("/") and path[1:2] not in {"/", "\\"} and path.isascii() and path.isprintable()


def return_to(request: web.Request, form: Form) -> str:
    """Where whoever signs in wants to be sent: what the page was asked for with, or its form; empty when not ours."""
    wanted = form.get("return_to") or request.query.get("return_to", "")
    return wanted if is_ours(wanted) else ""


def wrong_fields(error: TenantryError) -> TenantryError:
    """``error``, when it is about fields of a form that is shown again; any other is raised."""
    if error.code is not Code.INVALID:
        raise error
    return error


def problems_of(error: TenantryError | None) -> dict[str, str]:
    """What a page says beside each field of its form."""
    return {each.path: sentence(each.message.removeprefix("Invalid value: ")) for each in error.fields} if error else {}


def sentence(message: str) -> str:
    """``message`` with a capital letter and a full stop."""
    return message[:1].upper() + message[1:].removesuffix(".") + "."  # Authlib's end in one


def moment(micros: int) -> str:
    """A time in epoch microseconds, for people, empty for 0; the page says that it is in UTC."""
    return f"{datetime.fromtimestamp(micros / 1_000_000, UTC):%Y-%m-%d %H:%M}" if micros else ""


def set_cookie(response: web.StreamResponse, name: str, value: str, *, seconds: int | None = None) -> None:
    """Let the browser keep ``value`` for ``seconds`` or until it ends, for this host alone, out of reach of scripts."""
    response.set_cookie(name, value, path="/", secure=True, httponly=True, samesite="Lax", max_age=seconds)


def drop_cookie(response: web.StreamResponse, name: str) -> None:
    """Let the browser forget a cookie."""
    response.del_cookie(name, path="/", secure=True, httponly=True, samesite="Lax")


def forget_session(response: web.StreamResponse) -> None:
    """Let the browser forget the session that has ended, and what it has kept of our answers (W3C Clear Site Data)."""
    drop_cookie(response, SESSION_COOKIE)
    response.headers["Clear-Site-Data"] = '"cache"'


def base(request: web.Request) -> str:
    """The path prefix under which clients reach us, without a slash at its end."""
    return urlsplit(request.app[SERVICES].settings.external_url).path


async def _read_form(request: web.Request) -> Form:
    """The fields of a form that a page of ours has sent.

    Raises:
        TenantryError: ``BAD_REQUEST``, ``UNSUPPORTED_MEDIA_TYPE``, ``TOO_LARGE``; ``FORBIDDEN``, it comes from
            elsewhere.
    """
    if request.content_type != "application/x-www-form-urlencoded":
        raise TenantryError(Code.UNSUPPORTED_MEDIA_TYPE, "a form is application/x-www-form-urlencoded")
    if (request.content_length or 0) > FORM_BYTES:
        raise TenantryError(Code.TOO_LARGE, f"a form has at most {FORM_BYTES} bytes")
    csrf.check_origin(request, frozenset(filter(None, [origin(request.app[SERVICES].settings.external_url)])))
    body = await request.read()
    if len(body) > FORM_BYTES:
        raise TenantryError(Code.TOO_LARGE, f"a form has at most {FORM_BYTES} bytes")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=bool(body), errors="strict")
    except ValueError:  # UnicodeDecodeError is one
        raise TenantryError(Code.BAD_REQUEST, "the form is not URL-encoded UTF-8") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise TenantryError(Code.BAD_REQUEST, "the form has a field twice")
    if any("\0" in text for pair in pairs for text in pair):
        raise TenantryError(Code.BAD_REQUEST, "the form has a NUL character")
    held = request.cookies.get(SESSION_COOKIE if request[ACTOR].session_id else FORM_COOKIE, "")
    if not held:
        raise TenantryError(
            Code.FORBIDDEN, "the browser has not kept the cookie of the page: allow cookies, and open it over HTTPS"
        )
    try:
        csrf.check_token(held, fields.pop("csrf", ""))
    except TenantryError:
        raise TenantryError(Code.FORBIDDEN, "the form is out of date: load its page again, and send it again") from None
    return fields


def _static(name: str, content_type: str) -> Route:
    """The route of a file that is the same for everybody."""

    async def handler(request: web.Request) -> web.Response:  # noqa: ARG001 - the same for everybody
        headers = {"Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff"}
        return web.Response(text=_text_of(name), content_type=content_type, headers=headers)

    return Route("GET", f"/static/{name}", handler, needs=Permission.PUBLIC)


@cache
def _text_of(name: str) -> str:
    return (files("tenantry.web") / "static" / name).read_text()


ROUTES = [_static("pages.css", "text/css"), _static("icon.svg", "image/svg+xml")]
