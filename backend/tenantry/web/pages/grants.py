"""The page where a person sees what they let OAuth clients have, and takes it back."""

from __future__ import annotations

from aiohttp import web

from tenantry.model.oauth import meanings_of
from tenantry.model.permissions import Permission
from tenantry.services.oauth.grants import Grant
from tenantry.web import rendering
from tenantry.web.rendering import Form
from tenantry.web.routes import ACTOR, SERVICES
from tenantry.wiring import Services

_PATH = "/account/grants"


async def _show(request: web.Request, form: Form) -> web.Response:
    del form
    services = request.app[SERVICES]
    grants = [await _row(services, grant) for grant in await services.oauth.grants(request[ACTOR])]
    notice = "It has nothing of yours any more." if request.query.get("notice") == "withdrawn" else ""
    return rendering.show(request, "grants.html", grants=grants, notice=notice)


async def _withdraw(request: web.Request, form: Form) -> web.Response:
    await request.app[SERVICES].oauth.withdraw(request[ACTOR], form.get("client", ""))
    return rendering.redirect(request, f"{_PATH}?notice=withdrawn")


async def _row(services: Services, grant: Grant) -> dict[str, object]:
    meanings = (meaning for tenant_id, scopes in grant.places.items() for meaning in meanings_of(scopes, tenant_id))
    found = await services.standing.client(grant.client_id)
    return {
        "id": grant.client_id,
        "name": found.client.name if found else "An application that is gone",
        "places": [await _place(services, tenant_id) for tenant_id in grant.places],
        "granted": rendering.moment(grant.created_at),
        "until": rendering.moment(grant.expires_at),
        "meanings": list(dict.fromkeys(meanings)),
    }


async def _place(services: Services, tenant_id: str) -> str:
    if not tenant_id:
        return "outside of all tenants"
    tenant = await services.standing.tenant(tenant_id)
    return f"in the tenant {tenant.name}" if tenant else "in a tenant that is gone"


ROUTES = [
    rendering.page("GET", _PATH, _show, needs=Permission.SELF),
    rendering.page("POST", f"{_PATH}/withdraw", _withdraw, needs=Permission.SELF),
]
