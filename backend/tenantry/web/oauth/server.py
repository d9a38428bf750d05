"""Authlib's authorization server over aiohttp and our model: requests and clients in, answers out."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_plus

from aiohttp import web
from authlib.common.urls import add_params_to_uri
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, OAuth2Request
from authlib.oauth2.rfc6749.errors import InvalidClientError, InvalidRequestError, UnsupportedResponseTypeError
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from tenantry.logs import REQUEST
from tenantry.model import ids
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import Actor, Session
from tenantry.model.oauth import ALL_SCOPES, CLI, OAuthClient, Registered, TokenFamily, matches_redirect
from tenantry.model.permissions import Permission
from tenantry.services.machines.workloads import ForgedError
from tenantry.services.oauth import client_assertions
from tenantry.services.oauth.access_tokens import AccessTokens
from tenantry.services.oauth.client_assertions import Assertion
from tenantry.services.oauth.grants import OAuthStore
from tenantry.services.throttle import CLIENTS, network_of
from tenantry.web.oauth.parameters import Parameters, read_form
from tenantry.web.routes import ACTOR, SERVICES, Cookie, Route
from tenantry.wiring import Services

#: how a client may prove itself, at every endpoint that asks it to
METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}

logger = logging.getLogger(__name__)

#: in the audit log
_AUTHENTICATE = "client.authenticate"
_CLIENT_ID = re.compile(r"[0-9A-Za-z]{16}")
#: characters of what is said of an error, which quotes what was sent
_DESCRIBED = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered: JSON, or nothing but a ``Location``."""

    status: int
    body: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class UnprovedError(OAuth2Error):
    """The client has not proved who it is (RFC 6749, 5.2); the challenge of Authlib's has no realm (RFC 7617, 2)."""

    error = "invalid_client"
    status_code = HTTPStatus.UNAUTHORIZED

    def get_headers(self) -> list[tuple[str, str]]:
        """Those of the answer."""
        return [*super().get_headers(), ("WWW-Authenticate", 'Basic realm="tenantry"')]


class Request(OAuth2Request):
    """A request as Authlib reads it. Its URI is made of our issuer, never of what the request says."""

    def __init__(self, method: str, uri: str, parameters: Parameters, headers: Mapping[str, str]) -> None:
        super().__init__(method, uri, headers=dict(headers))
        self.payload = BasicOAuth2Payload(parameters)
        self.parameters = parameters
        self.assertion: Assertion | None = None  # that the client has proved itself with
        self.is_workload = False  # the assertion is a token of the client's workload
        self.session: Session | None = None  # of the person at the browser
        self.family: TokenFamily | None = None  # that a token is made for
        self.successor = ""  # of the refresh token

    @property
    def form(self) -> Parameters:
        """The parameters: those of the body, or of the query where there is no body."""
        return self.parameters

    args = form


class Client(ClientMixin):
    """A client as Authlib asks it."""

    def __init__(self, registered: Registered, now: int) -> None:
        self._registered = registered
        self.model = registered.client
        self._now = now

    @property
    def client_id(self) -> str:
        """Its identity."""
        return self.model.id

    def get_client_id(self) -> str:
        """Its identity."""
        return self.model.id

    def get_default_redirect_uri(self) -> None:
        """There is none: the request must name one."""

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """``scope`` when the client may have all of it, else None."""
        asked = (scope or "").split()
        return " ".join(dict.fromkeys(asked)) if set(asked) <= set(self.model.scopes) else None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Whether it is registered, to the letter; of a loopback address any port (RFC 8252, 7.3)."""
        return matches_redirect(redirect_uri, self.model.redirect_uris)

    def check_client_secret(self, client_secret: str) -> bool:
        """Whether it is one of the secrets that work now."""
        return self._registered.has_secret(client_secret, self._now)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Whether the client may prove itself so."""
        del endpoint
        if method == "none":
            return self.model.is_public
        return not self.model.is_public and (method == "private_key_jwt") <= self.model.asserts

    def check_response_type(self, response_type: str) -> bool:
        """Codes alone are given, and to who may use them."""
        return response_type == "code" and self.check_grant_type("authorization_code")

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether the client may use it."""
        return grant_type in self.model.grant_types


class Server(AuthorizationServer):
    """Authlib's server for one request.

    Args:
        tokens: what makes the claims of tokens.
        registered: the client that the request names, if there is one.
        now: epoch microseconds.
    """

    def __init__(self, tokens: AccessTokens, registered: Registered | None, now: int) -> None:
        super().__init__(scopes_supported=ALL_SCOPES)
        self.tokens = tokens
        self.issuer = tokens.issuer
        self._registered = registered
        self._now = now
        self.store: OAuthStore  # of the transaction, once there is one
        self.register_client_auth_method("private_key_jwt", self._check_assertion)

    def query_client(self, client_id: str) -> Client | None:
        """The client of that id, unless it is disabled."""
        found = self._registered
        return (
            Client(found, self._now) if found and found.client.id == client_id and not found.client.disabled else None
        )

    def get_authorization_grant(self, request: Request) -> Any:
        """The grant that is asked for; a request that names none lacks a parameter (RFC 6749, 3.1.1)."""
        try:
            return super().get_authorization_grant(request)
        except UnsupportedResponseTypeError as error:
            if "response_type" in request.parameters:
                raise
            raise InvalidRequestError("Missing 'response_type' in request.", redirect_uri=error.redirect_uri) from None

    def create_oauth2_request(self, request: Request) -> Request:
        """The request as it is."""
        return request

    def handle_error_response(self, request: Request, error: OAuth2Error) -> Answer:
        """The error as an answer, which quotes only the beginning of what was sent."""
        if error.description:
            error.description = error.description[:_DESCRIBED]
        answer: Answer = super().handle_error_response(request, error)
        return answer

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Answer:
        """The answer as it is; when it goes to the client by the browser, it says who answers (RFC 9207)."""
        named = dict(headers)
        if "Location" in named:
            named["Location"] = add_params_to_uri(named["Location"], [("iss", self.issuer)])
        return Answer(status, body, named)

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""

    def _check_assertion(self, query_client: object, request: Request) -> Client | None:
        del query_client
        if request.parameters.get("client_assertion_type") != ASSERTION_TYPE:
            return None
        client = self.query_client(self._registered.client.id) if self._registered else None
        if client is not None and client.model.subject:
            return client if request.is_workload else None
        if client is None or not client.model.jwks:
            return None
        try:
            request.assertion = client_assertions.verify(
                request.parameters.get("client_assertion", ""), client.model, self.issuer
            )
        except ForgedError:
            return None
        return client


async def _open(request: web.Request) -> tuple[Server, Request]:
    """What a client sends to one of its endpoints, once the client has proved who it is.

    Raises:
        OAuth2Error: it has not.
        TenantryError: ``BAD_REQUEST``; ``UNAVAILABLE``; ``TOO_MANY_REQUESTS``, it has not too often.
    """
    services = request.app[SERVICES]
    parameters = await read_form(request)
    headers = request.headers.getall("Authorization", [])
    client_id = _identify(parameters, headers)
    registered = await find_client(services, client_id)
    server = Server(services.access_tokens, registered, ids.now_micros())
    sent = Request(
        "POST", services.settings.issuer + request.path, parameters, {"Authorization": headers[0]} if headers else {}
    )
    if registered and registered.client.subject and "client_assertion" in parameters:
        sent.is_workload = await _is_workload(services, parameters["client_assertion"], registered.client)
    try:
        sent.client = server.authenticate_client(sent, METHODS)
    except InvalidClientError:
        await note_failure(request, registered.client if registered else None)
        # always the same: it does not tell whether there is such a client (RFC 6749, 5.2)
        raise UnprovedError("the client is not known here, or has not proved itself") from None
    assertion = sent.assertion
    if assertion:
        actor = actor_of(request, sent.client.model)
        if not await services.oauth.transact(actor, lambda store: store.spend(assertion)):
            await note_failure(request, sent.client.model)
            raise UnprovedError("The client's assertion was used before.")
    scope = REQUEST.get()
    if scope and not sent.client.model.is_public:  # which anybody can say to be
        scope.actor = actor_of(request, sent.client.model).name  # the middleware knows a stranger only
    return server, sent


async def _is_workload(services: Services, assertion: str, client: OAuthClient) -> bool:
    try:
        await services.workload_assertions.verify(assertion, client)
    except ForgedError as error:
        logger.info("refused a ServiceAccount token of client %s: %s", client.id, error)
        return False
    return True


async def note_failure(request: web.Request, client: OAuthClient | None) -> None:
    """Count that a client has not proved itself, and have it told in the audit log of whom the client belongs to.

    Only failures count: whoever knows no more of a client than its id does not lock it out, from its own network
    neither. Nobody guesses a secret of 256 bits; the limit is for programs that try a wrong one for ever.

    Raises:
        TenantryError: ``TOO_MANY_REQUESTS``, of that client from that network.
    """
    services, asked, named = request.app[SERVICES], request[ACTOR], client.id if client else ""
    if client:
        error = TenantryError(Code.UNAUTHENTICATED, "it has not proved itself", kind="OAuthClient", name=named)
        services.audit.note_denied(replace(asked, tenant_id=client.tenant_id), _AUTHENTICATE, request.path, error)
    await services.throttle.admit(CLIENTS, f"{named} {network_of(asked.ip)}")


def client_endpoint(path: str, handle: Callable[[web.Request, Server, Request], Awaitable[Answer]]) -> Route:
    """The route of an endpoint that clients send forms to; ``handle`` gets the request of one that has proved itself.

    Its errors are answered as RFC 6749, 5.2, has them.
    """

    async def handler(request: web.Request) -> web.Response:
        try:
            return _render(await handle(request, *await _open(request)))
        except OAuth2Error as error:
            status, body, headers = error()
            return _render(Answer(status, body, dict(headers)))

    return Route("POST", path, handler, Permission.PUBLIC, session=Cookie.CLIENT)


async def find_client(services: Services, client_id: str) -> Registered | None:
    """The client of that id, unless its tenant is gone."""
    if not _CLIENT_ID.fullmatch(client_id) and client_id != CLI.id:
        return None
    found = await services.standing.client(client_id)
    if found and found.client.tenant_id and await services.standing.tenant(found.client.tenant_id) is None:
        return None
    return found


def actor_of(request: web.Request, client: OAuthClient) -> Actor:
    """Who acts when ``client`` does, for the audit log."""
    asked = request[ACTOR]
    return Actor(
        name=f"client:{client.id}",
        client_id=client.id,
        tenant_id=client.tenant_id,
        request_id=asked.request_id,
        ip=asked.ip,
    )


def _render(answer: Answer) -> web.Response:
    """``answer`` in HTTP."""
    return web.json_response(answer.body, status=answer.status, headers={**NO_STORE, **_without_type(answer.headers)})


def _identify(parameters: Parameters, headers: list[str]) -> str:
    """The id of the client that a request says it comes from, by exactly one way of proving it (RFC 6749, 2.3)."""
    ways = len(headers) + ("client_secret" in parameters) + ("client_assertion" in parameters)
    if ways > 1:
        raise InvalidRequestError("The client must prove itself in one way.")
    named = parameters.get("client_id", "")
    found = named
    if headers:
        found = _basic(headers[0])
    elif "client_assertion" in parameters:
        assertion = parameters["client_assertion"]
        found = named if client_assertions.is_workloads(assertion) else client_assertions.subject_of(assertion)
    if named not in {"", found}:
        raise InvalidRequestError("client_id is another one than that which the client proves itself with.")
    return found


def _basic(header: str) -> str:
    """The client's id in HTTP Basic; Authlib reads the header again, once it is known to be well-formed."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise UnprovedError("Authorization must be Basic, with the client's id and secret.")
    try:
        client_id, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:  # UnicodeDecodeError and binascii.Error are
        raise InvalidRequestError("Authorization is not Basic as RFC 7617 has it.") from None
    if not colon or not (client_id + secret).isprintable():
        raise InvalidRequestError("Authorization is not Basic as RFC 7617 has it.")
    return unquote_plus(client_id)


def _without_type(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name != "Content-Type"}
