"""The authorization endpoint: a person at a browser lets a client have a code (OpenID Connect Core, 3.1.2).

Everything that goes back to the client says who answers (``iss``, RFC 9207). Errors of who the client is, or of where
the browser is to be sent, go to nobody: they are shown as a page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from aiohttp import web
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749.errors import InvalidRequestError
from authlib.oidc.core.errors import ConsentRequiredError, LoginRequiredError

from tenantry.model import ids
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Session, User
from tenantry.model.oauth import CLI, lifetime_of, meanings_of
from tenantry.model.permissions import Permission
from tenantry.services.oauth.grants import OAuthStore, tenant_of
from tenantry.web import rendering
from tenantry.web.oauth import grants
from tenantry.web.oauth.forms import forwarding
from tenantry.web.oauth.parameters import Parameters, parse, read_query
from tenantry.web.oauth.server import Answer, Request, Server, find_client
from tenantry.web.rendering import Form
from tenantry.web.routes import ACTOR, SERVICES
from tenantry.wiring import Services

_PATH = "/oauth/authorize"
#: where the page that asks for consent sends what the person says
_DECISION = "/oauth/consent"
#: since when the person must have signed in again, sealed by us; we add it when we send them to the login page
_SINCE = "signed_in_since"
_SINCE_CONTEXT = "sign-in:since"
#: for which tenant the person was shown what the client wants
_ACTS_IN = "acts_in"
#: how a client may want the person to be asked
PROMPTS = ("none", "login", "consent", "select_account")
#: of these, what takes a sign-in: a browser has one account here, and another one is chosen by signing in with it
_ANEW = frozenset({"login", "select_account"})
_UNSUPPORTED = ("request", "request_uri", "registration")


@dataclass(slots=True)
class _Asked:
    """An authorization request that is good, and who is at the browser."""

    server: Server
    sent: Request
    grant: grants.AuthorizationCodeGrant
    session: Session | None
    user: User | None

    @property
    def scopes(self) -> tuple[str, ...]:
        """What the client asks for."""
        return tuple((self.sent.scope or "").split())

    @property
    def prompts(self) -> set[str]:
        """How the client wants the person to be asked."""
        return set(self.sent.parameters.get("prompt", "").split())


async def _show(request: web.Request, form: Form) -> web.Response:
    del form
    return await _answer(request, read_query(request), "")


async def _show_late(request: web.Request, form: Form) -> web.Response:
    """Tell who had to sign in before their answer counted, and comes back without it."""
    del request, form
    raise TenantryError(Code.BAD_REQUEST, "that took too long: go back to the application and begin again")


async def _decide(request: web.Request, form: Form) -> web.Response:
    if request.query_string:
        raise TenantryError(Code.BAD_REQUEST, "the page's form has no query")
    return await _answer(request, parse(form.get("request", "").encode(errors="replace")), form.get("decision", "deny"))


async def _answer(request: web.Request, parameters: Parameters, decision: str) -> web.Response:
    services = request.app[SERVICES]
    since, shown_in = parameters.pop(_SINCE, ""), parameters.pop(_ACTS_IN, "")
    server = Server(
        services.access_tokens,
        await find_client(services, parameters.get("client_id", "")),
        ids.now_micros(),
    )
    server.register_grant(grants.AuthorizationCodeGrant, [grants.ForcedPKCE(required=True)])
    sent = Request("GET", server.issuer + _PATH, parameters, {})
    try:
        asked = await _check(request, server, sent)
        if _must_sign_in(services, asked, since):
            if "none" in asked.prompts:
                raise LoginRequiredError(redirect_uri=asked.grant.redirect_uri, state=parameters.get("state"))
            return _send_to_login(request, services, parameters)
        if asked.session and shown_in != tenant_of(sent.client.model, asked.session) and decision == "allow":
            decision = ""  # they have gone to another tenant: what they were shown is not what they would allow
        if decision != "deny" and await _must_consent(services, asked, decision):
            if "none" in asked.prompts:
                raise ConsentRequiredError(redirect_uri=asked.grant.redirect_uri, state=parameters.get("state"))
            return await _ask(request, asked, since)
        answer: Answer = await services.oauth.transact(request[ACTOR], lambda store: _conclude(asked, store, decision))
    except OAuth2Error as error:
        answer = server.handle_error_response(sent, error)
    except ValueError as error:
        if "forbidden characters" not in str(error):  # Authlib quotes what it was sent
            raise
        answer = Answer(400, {"error_description": "a parameter is not as it must be"})
    if "Location" not in answer.headers:
        described = answer.body.get("error_description") or answer.body.get("error", "")
        raise TenantryError(Code.BAD_REQUEST, f"the application has sent you here wrongly: {described}")
    return rendering.leave(request, answer.headers["Location"])


async def _check(request: web.Request, server: Server, sent: Request) -> _Asked:
    """The request, when the client may make it.

    Raises:
        OAuth2Error: it may not.
    """
    services, actor = request.app[SERVICES], request[ACTOR]
    session = await services.standing.session(actor.session_id) if actor.may(Permission.SELF) else None
    user = await services.standing.user(session.user_id) if session else None
    grant = server.get_consent_grant(sent, end_user=user)
    parameters, redirect_uri = sent.parameters, grant.redirect_uri
    state = parameters.get("state")
    prompts = parameters.get("prompt", "").split()
    for name in _UNSUPPORTED:
        if name in parameters:
            raise OAuth2Error(error=f"{name}_not_supported", redirect_uri=redirect_uri, state=state)
    if parameters.get("response_mode", "query") != "query":
        raise InvalidRequestError("response_mode must be query.", redirect_uri=redirect_uri, state=state)
    if not set(prompts) <= set(PROMPTS):
        message = f"prompt has no other values than {', '.join(PROMPTS)}."
        raise InvalidRequestError(message, redirect_uri=redirect_uri, state=state)
    if "none" in prompts and len(prompts) > 1:
        raise InvalidRequestError("prompt=none stands alone.", redirect_uri=redirect_uri, state=state)
    max_age = parameters.get("max_age", "0")
    if not (max_age.isascii() and max_age.isdigit() and len(max_age) < 10):  # noqa: PLR2004 - seconds
        raise InvalidRequestError("max_age must be a number of seconds.", redirect_uri=redirect_uri, state=state)
    hint = parameters.get("id_token_hint", "")
    if hint:  # OpenID Connect Core, 3.1.2.1: that person, or an error
        hinted = await services.access_tokens.read_hint(hint)
        if hinted is None:
            error = LoginRequiredError if "none" in prompts else InvalidRequestError
            message = "id_token_hint is no ID token that can be read here any more: leave it out."
            raise error(message, redirect_uri=redirect_uri, state=state)
        if session and hinted.get("sub") != session.user_id:
            raise LoginRequiredError("Somebody else is signed in.", redirect_uri=redirect_uri, state=state)
    sent.session = session
    return _Asked(server, sent, grant, session, user)


def _must_sign_in(services: Services, asked: _Asked, since: str) -> bool:
    """Whether nobody is signed in, or not as lately as the client wants."""
    if asked.session is None:
        return True
    if since and asked.session.auth_time >= _opened(services, since):
        return False
    max_age = asked.sent.parameters.get("max_age")
    if max_age is not None and ids.now_micros() - asked.session.auth_time > int(max_age) * 1_000_000:
        return True
    return not _ANEW.isdisjoint(asked.prompts)


async def _must_consent(services: Services, asked: _Asked, decision: str) -> bool:
    """Whether the person must be asked, and has not been."""
    client = asked.sent.client.model
    if decision == "allow":
        return False
    if "consent" in asked.prompts or asked.session is None or not client.is_assured(asked.grant.redirect_uri):
        return True
    if client.first_party:
        return False
    known = await services.oauth.consent(asked.session, client)
    return known is None or not set(asked.scopes) <= set(known.scopes)


def _send_to_login(request: web.Request, services: Services, parameters: Parameters) -> web.Response:
    """Let them sign in, and come back with the same request and a proof of when they left.

    With ``prompt=login``, ``select_account`` or ``max_age`` the client wants to know that they were there.
    """
    since = services.encryption.encrypt(str(ids.now_micros()).encode(), _SINCE_CONTEXT)
    back = f"{_PATH}?{urlencode({**parameters, _SINCE: since})}"
    if rendering.lacks_factor(request):
        return rendering.send_to_factor(request, back)
    fresh = not _ANEW.isdisjoint(parameters.get("prompt", "").split()) or "max_age" in parameters
    return rendering.redirect(request, rendering.login_path(back, fresh=fresh))


def _opened(services: Services, since: str) -> int:
    try:
        return int(services.encryption.decrypt(since, _SINCE_CONTEXT))
    except (ValueError, TenantryError):
        raise TenantryError(Code.BAD_REQUEST, f"{_SINCE} is not one of ours") from None


async def _ask(request: web.Request, asked: _Asked, since: str) -> web.Response:
    client = asked.sent.client.model
    acts_in = tenant_of(client, asked.session) if asked.session else ""
    tenant = await request.app[SERVICES].standing.tenant(acts_in) if acts_in else None
    parameters = {**asked.sent.parameters, **({_SINCE: since} if since else {}), _ACTS_IN: acts_in}
    return rendering.show(
        request,
        "consent.html",
        form_targets=(rendering.form_target(asked.grant.redirect_uri),),
        decision_path=_DECISION,
        client=client,
        is_cli=client.id == CLI.id,
        is_assured=client.is_assured(asked.grant.redirect_uri),
        tenant=tenant.name if tenant else "",
        user=asked.user,
        target=urlsplit(asked.grant.redirect_uri).netloc or asked.grant.redirect_uri,
        meanings=meanings_of(asked.scopes, acts_in),
        lifetime=lifetime_of(asked.scopes),
        request_query=urlencode(parameters),
    )


def _conclude(asked: _Asked, store: OAuthStore, decision: str) -> Any:
    """The code for the client, or that the person does not want it."""
    asked.server.store = store
    granted = asked.user if decision != "deny" else None
    if granted and asked.session:
        store.allow(asked.session, asked.sent.client.model, asked.scopes)
    return asked.server.create_authorization_response(asked.sent, grant_user=granted, grant=asked.grant)


ROUTES = [
    rendering.page("GET", _PATH, _show),
    forwarding(_PATH),
    rendering.page("GET", _DECISION, _show_late),
    rendering.page("POST", _DECISION, _decide, needs=Permission.SELF),
]
