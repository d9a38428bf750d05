"""The two addresses by which people sign in with an identity provider: where they leave, and where they come back."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from multidict import MultiMapping

from tenantry.model.errors import Code, TenantryError
from tenantry.model.permissions import Permission
from tenantry.services.federation import NotSignedInError
from tenantry.web import invites, pages
from tenantry.web.authentication import SESSION_COOKIE
from tenantry.web.pages import Form
from tenantry.web.routes import ACTOR, SERVICES

#: what a sign-in under way belongs to
LOGIN_COOKIE = "__Host-tenantry-login"
#: where people add to their account, and are sent who have not said where they want to be
ACCOUNT = "/account"

_PATH = "/login/with/{provider}"


async def buttons(request: web.Request, return_to: str = "") -> list[dict[str, str]]:
    """For the login page: ``name``, ``display_name`` and ``href`` of each provider."""
    query = f"?{urlencode({'return_to': return_to})}" if pages.is_ours(return_to) else ""
    return [
        {
            "name": provider.name,
            "display_name": provider.display_name,
            "href": f"{pages.base(request)}{_PATH.format(provider=provider.name)}{query}",
        }
        for provider in await request.app[SERVICES].providers.offered()
    ]


def link_href(provider: str, token: str) -> str:
    """Where somebody adds who they are at ``provider`` to their account, below our prefix."""
    return f"{_PATH.format(provider=provider)}?{urlencode({'link': token, 'return_to': ACCOUNT})}"


async def account(request: web.Request) -> dict[str, Any]:
    """For the account's page: ``identities`` that one has, and ``providers`` at which one may add another."""
    services, actor = request.app[SERVICES], request[ACTOR]
    offered = await services.providers.offered()
    names = {provider.issuer: provider.display_name for provider in offered}
    base = pages.base(request)
    return {
        "identities": [
            {"id": each.id, "name": names.get(each.issuer, each.issuer), "who": each.email or each.subject}
            for each in await services.federation.identities(actor)
        ],
        "providers": [
            {
                "name": each.name,
                "display_name": each.display_name,
                "href": base + link_href(each.name, await services.federation.link_token(actor, each.name)),
            }
            for each in offered
        ],
    }


async def _depart(request: web.Request, form: Form) -> web.Response:
    del form
    query = _once(request.query)
    wanted = query.get("return_to", "")
    wanted = wanted if pages.is_ours(wanted) else ""
    departure = await request.app[SERVICES].federation.depart(
        request[ACTOR],
        request.match_info["provider"],
        here=_here(request),
        browser=request.cookies.get(LOGIN_COOKIE, ""),
        return_to=wanted,
        invite=invites.token_in(wanted),
        link=query.get("link", ""),
    )
    response = pages.leave(departure.url)
    pages.set_cookie(response, LOGIN_COOKIE, departure.browser)
    return response


async def _arrive(request: web.Request, form: Form) -> web.Response:
    del form
    try:
        arrival = await request.app[SERVICES].federation.arrive(
            request[ACTOR],
            request.match_info["provider"],
            _once(request.query),
            here=_here(request),
            browser=request.cookies.get(LOGIN_COOKIE, ""),
            user_agent=request.headers.get("User-Agent", ""),
        )
    except NotSignedInError as refusal:
        return pages.show(request, "not_signed_in.html", status=403, message=str(refusal))
    response = pages.redirect(request, arrival.return_to or ACCOUNT)
    if arrival.session:
        pages.set_cookie(response, SESSION_COOKIE, arrival.session.cookie)
        pages.drop_cookie(response, pages.FORM_COOKIE)
    return response


async def _unlink(request: web.Request, form: Form) -> web.Response:
    await request.app[SERVICES].federation.unlink(request[ACTOR], form.get("identity", ""))
    return pages.redirect(request, ACCOUNT)


def _once(query: MultiMapping[str]) -> dict[str, str]:
    """The parameters; what a provider adds is none of our business, as long as it says it once."""
    if len(set(query)) < len(query):
        raise TenantryError(Code.BAD_REQUEST, "a parameter is given twice")
    return dict(query.items())


def _here(request: web.Request) -> str:
    """Our address that a browser comes back to: below the external URL, or on loopback by the name that it uses."""
    ours = request.app[SERVICES].settings.external_url or f"{request.scheme}://{request.host}"
    return f"{ours}{_PATH.format(provider=request.match_info['provider'])}/callback"


ROUTES = [
    pages.page("GET", _PATH, _depart),
    pages.page("GET", f"{_PATH}/callback", _arrive),
    pages.page("POST", f"{ACCOUNT}/identities/remove", _unlink, needs=Permission.SELF),
]
