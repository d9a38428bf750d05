"""The page where people see to their own account: where they are signed in."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from tenantry.model import user_agent
from tenantry.model.identity import Session
from tenantry.model.permissions import Permission
from tenantry.web import pages
from tenantry.web.authentication import SESSION_COOKIE
from tenantry.web.pages import Form
from tenantry.web.routes import ACTOR, SERVICES, Route

PATH = "/account"


async def _show(request: web.Request, form: Form) -> web.Response:
    del form
    services, actor = request.app[SERVICES], request[ACTOR]
    user = await services.standing.user(actor.user_id)
    found = await services.sessions.list(actor)
    return pages.show(
        request, "account.html", user=user, sessions=[_row(session, actor.session_id) for session in found]
    )


async def _end_session(request: web.Request, form: Form) -> web.Response:
    actor, session_id = request[ACTOR], form.get("session", "")
    await request.app[SERVICES].sessions.end(actor, session_id)
    if session_id != actor.session_id:
        return pages.redirect(request, PATH)
    response = pages.redirect(request, "/login?notice=signed-out")
    pages.drop_cookie(response, SESSION_COOKIE)
    return response


def _row(session: Session, current: str) -> dict[str, object]:
    return {
        "id": session.id,
        "browser": user_agent.describe(session.user_agent),
        "ip": session.ip,
        "began": _time(session.created_at),
        "seen": _time(session.last_seen_at),
        "is_this": session.id == current,
    }


def _time(micros: int) -> str:
    return f"{datetime.fromtimestamp(micros / 1_000_000, UTC):%Y-%m-%d %H:%M} UTC"


def _page(method: str, path: str, handle: pages.Handle) -> Route:
    return pages.page(method, path, handle, needs=Permission.SELF)


ROUTES = [_page("GET", PATH, _show), _page("POST", f"{PATH}/sessions/end", _end_session)]
