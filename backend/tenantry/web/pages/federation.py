"""How people sign in with an identity provider, and add one to their account: where they leave and come back."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from multidict import MultiMapping

from tenantry.model.errors import Code, TenantryError
from tenantry.model.permissions import Permission
from tenantry.services.federation.sign_in import NotSignedInError
from tenantry.services.people.invites import token_in
from tenantry.web import rendering
from tenantry.web.authentication import SESSION_COOKIE, fresh_session
from tenantry.web.pages import access, halfway
from tenantry.web.rendering import Form
from tenantry.web.routes import ACTOR, SERVICES

#: what a sign-in under way belongs to
LOGIN_COOKIE = "__Host-tenantry-login"
#: where people add to their account, and are sent who have not said where they want to be
ACCOUNT = "/account"

_PATH = "/login/with/{provider}"
_ADD = f"{ACCOUNT}/identities/add"


async def buttons(request: web.Request) -> list[dict[str, str]]:
    """For pages with buttons to sign in: ``name``, ``display_name`` and ``action`` of each provider."""
    return [
        {
            "name": provider.name,
            "display_name": provider.display_name,
            "action": rendering.base(request) + _PATH.format(provider=provider.name),
        }
        for provider in await request.app[SERVICES].providers.offered()
    ]


def link_href(provider: str) -> str:
    """Where somebody adds who they are at ``provider`` to their account, below our prefix."""
    return f"{_ADD}?{urlencode({'provider': provider})}"


async def account(request: web.Request) -> dict[str, Any]:
    """For the account's page: ``identities`` that one has, and ``providers`` at which one may add another."""
    services, actor = request.app[SERVICES], request[ACTOR]
    offered = await services.providers.offered()
    names = {provider.issuer: provider.display_name for provider in offered}
    base = rendering.base(request)
    return {
        "identities": [
            {"id": each.id, "name": names.get(each.issuer, each.issuer), "who": each.email or each.subject}
            for each in await services.federation.identities(actor)
        ],
        "providers": [{"display_name": each.display_name, "href": base + link_href(each.name)} for each in offered],
    }


async def _sign_in(request: web.Request, form: Form) -> web.Response:
    wanted = rendering.return_to(request, form)
    return await _depart(
        request,
        request.match_info["provider"],
        return_to=wanted,
        invite=token_in(wanted),
        fresh=rendering.is_fresh(request, form),
    )


async def _show_add(request: web.Request, form: Form) -> web.Response:
    return await _add(request, form)


async def _link(request: web.Request, form: Form) -> web.Response:
    services, actor = request.app[SERVICES], request[ACTOR]
    try:
        await services.accounts.confirm(actor, form.get("password", ""))
    except TenantryError as error:
        if error.code is Code.SIGN_IN_AGAIN:
            return rendering.send_to_login(request, ACCOUNT, fresh=True)
        return await _add(request, form, rendering.wrong_fields(error))
    return await _depart(request, form.get("provider", ""), return_to=ACCOUNT, link=True)


async def _add(request: web.Request, form: Form, error: TenantryError | None = None) -> web.Response:
    services = request.app[SERVICES]
    user = await services.users.get(request[ACTOR].user_id)
    if not user.password_hash and await fresh_session(request) is None:
        return rendering.send_to_login(request, fresh=True)
    provider = await services.providers.find(form.get("provider") or request.query.get("provider", ""))
    return rendering.show(
        request,
        "add_identity.html",
        status=422 if error else 200,
        provider=provider,
        asks_password=bool(user.password_hash),
        email=user.email,
        problems=rendering.problems_of(error),
    )


async def _depart(  # noqa: PLR0913 - as the service has it
    request: web.Request, provider: str, *, return_to: str, invite: str = "", link: bool = False, fresh: bool = False
) -> web.Response:
    """Let the browser go to a provider: by a page, since Chromium applies ``form-action`` to redirects of a form."""
    departure = await request.app[SERVICES].federation.depart(
        request[ACTOR],
        provider,
        here=_here(request, provider),
        browser=request.cookies.get(LOGIN_COOKIE, ""),
        return_to=return_to,
        invite=invite,
        link=link,
        fresh=fresh,
    )
    response = rendering.depart(request, departure.url, "You sign in elsewhere now.")
    rendering.set_cookie(response, LOGIN_COOKIE, departure.browser)
    return response


async def _arrive(request: web.Request, form: Form) -> web.Response:
    del form
    try:
        arrival = await request.app[SERVICES].federation.arrive(
            request[ACTOR],
            request.match_info["provider"],
            _once(request.query),
            here=_here(request, request.match_info["provider"]),
            browser=request.cookies.get(LOGIN_COOKIE, ""),
            user_agent=request.headers.get("User-Agent", ""),
        )
    except NotSignedInError as refusal:
        request_id = request[ACTOR].request_id
        return rendering.show(request, "not_signed_in.html", status=403, message=str(refusal), request_id=request_id)
    wanted = arrival.return_to or ACCOUNT
    if arrival.halfway:
        return halfway.ask_for_code(request, arrival.halfway, arrival.return_to)
    response = rendering.redirect(request, access.before(arrival.session, wanted) if arrival.session else wanted)
    if arrival.session:
        rendering.set_cookie(response, SESSION_COOKIE, arrival.session.cookie)
        rendering.drop_cookie(response, rendering.FORM_COOKIE)
    return response


async def _unlink(request: web.Request, form: Form) -> web.Response:
    services, actor = request.app[SERVICES], request[ACTOR]
    _, user = await services.federation.unlink(actor, form.get("identity", ""))
    response = rendering.redirect(request, ACCOUNT)
    rendering.set_cookie(response, SESSION_COOKIE, (await services.sessions.renew(actor, user)).cookie)
    return response


def _once(query: MultiMapping[str]) -> dict[str, str]:
    """The parameters; what a provider adds is none of our business, as long as it says it once."""
    if len(set(query)) < len(query):
        raise TenantryError(Code.BAD_REQUEST, "a parameter is given twice")
    return dict(query.items())


def _here(request: web.Request, provider: str) -> str:
    """Our address that a browser comes back to: below the external URL, or on loopback by the name that it uses."""
    ours = request.app[SERVICES].settings.external_url or f"{request.scheme}://{request.host}"
    return f"{ours}{_PATH.format(provider=provider)}/callback"


ROUTES = [
    rendering.page("POST", _PATH, _sign_in),
    rendering.page("GET", f"{_PATH}/callback", _arrive),
    rendering.page("GET", _ADD, _show_add, needs=Permission.SELF),
    rendering.page("POST", _ADD, _link, needs=Permission.SELF),
    rendering.page("POST", f"{ACCOUNT}/identities/remove", _unlink, needs=Permission.SELF),
]
