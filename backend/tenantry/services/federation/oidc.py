"""What a relying party says to OpenID providers: discovery, the authorization request, the code's exchange, userinfo.

Nothing that a provider says is believed before it is checked: its discovery document is of the issuer that was
configured, its tokens are of that issuer and for us, and userinfo tells of the same person.
"""

from __future__ import annotations

import json
import time
from base64 import b64encode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from tenantry.model.providers import Provider
from tenantry.services.federation import id_tokens
from tenantry.services.federation.id_tokens import Expectation, Key, UnbelievableError, UnknownKeyError
from tenantry.services.outbound import Outbound, OutboundError, Response

#: how long a discovery document and a key set are believed, and how soon a key set is fetched again for a new key
METADATA_SECONDS = 600.0
NEW_KEY_SECONDS = 30.0
_ISSUERS = 100
#: claims of one source, or of none
_OF_ADDRESS = frozenset({"email", "email_verified"})
#: claims of a sign-in, which only its ID Token can make
_OF_SIGN_IN = frozenset({"amr", "auth_time"})

Document = dict[str, Any]


@dataclass(slots=True)
class _Known:
    """What an issuer has published."""

    metadata: Document
    read_at: float  # of ``time.monotonic()``, as below
    keys: list[Key] = field(default_factory=list)
    keys_read_at: float = float("-inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A sign-in: the same when the browser leaves and when it comes back.

    ``since`` is when, in epoch seconds; ``fresh``: who they are must be proved after that, and not have been before.
    """

    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    since: float
    fresh: bool = False


class RelyingParty:
    """Speaks to providers."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def authorization_url(self, provider: Provider, request: Request) -> str:
        """Where the browser is sent.

        Raises:
            UnbelievableError, OutboundError: the provider cannot be used now.
        """
        known = await self._discover(provider.issuer)
        parameters = {
            "response_type": "code",
            "client_id": provider.client_id,
            "redirect_uri": request.redirect_uri,
            "scope": " ".join(provider.scopes),
            "state": request.state,
            "nonce": request.nonce,
            "code_challenge": urlsafe_b64encode(sha256(request.verifier.encode()).digest()).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        if request.fresh:  # OpenID Connect Core, 3.1.2.1: max_age obliges to tell auth_time; more providers heed prompt
            parameters |= {"max_age": "0", "prompt": "login"}
        endpoint = self._endpoint(known.metadata, "authorization_endpoint")
        return endpoint + ("&" if urlsplit(endpoint).query else "?") + urlencode(parameters)

    async def check_issuer(self, provider: Provider, named: str | None) -> None:
        """See that an answer in the browser is the provider's (RFC 9207); ``named`` is its ``iss``.

        Raises:
            UnbelievableError, OutboundError: it is another's.
        """
        metadata = (await self._discover(provider.issuer)).metadata
        if named is None and metadata.get("authorization_response_iss_parameter_supported") is not True:
            return
        if named != provider.issuer:
            raise UnbelievableError("the answer is another provider's (iss)")

    async def claims(self, provider: Provider, secret: str, request: Request, code: str) -> Document:
        """What the provider says of who has signed in, in exchange for ``code``: ``sub`` at least.

        Raises:
            UnbelievableError, OutboundError: nobody has, as far as can be told.
        """
        known = await self._discover(provider.issuer)
        tokens = await self._exchange(provider, secret, known.metadata, request, code)
        access_token = tokens["access_token"]
        expected = Expectation(
            issuer=provider.issuer,
            client_id=provider.client_id,
            nonce=request.nonce,
            access_token=access_token,
            since=request.since,
        )
        claims = await self._verify(known, tokens["id_token"], expected)
        if not claims.keys() >= _OF_ADDRESS and "userinfo_endpoint" in known.metadata:
            told = await self._userinfo(known.metadata, access_token, claims["sub"])
            # what is verified is the address beside which that stands
            told = {name: value for name, value in told.items() if name not in _OF_SIGN_IN}
            claims = told | {name: value for name, value in claims.items() if name not in _OF_ADDRESS}
        return claims

    async def _verify(self, known: _Known, token: str, expected: Expectation) -> Document:
        keys = await self._keys(known, METADATA_SECONDS)
        try:
            return id_tokens.verify(token, keys, expected)
        except UnknownKeyError:
            return id_tokens.verify(token, await self._keys(known, NEW_KEY_SECONDS), expected)

    async def _discover(self, issuer: str) -> _Known:
        known = self._known.get(issuer)
        now = time.monotonic()
        if known is None or now - known.read_at >= METADATA_SECONDS:
            url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
            metadata = _document(await self._outbound.request("GET", url, whose=issuer), "discovery document")
            if metadata.get("issuer") != issuer:
                raise UnbelievableError("its discovery document is of another issuer")
            known = _Known(metadata, now, *((known.keys, known.keys_read_at) if known else ()))
            self._known[issuer] = known
            if len(self._known) > _ISSUERS:
                self._known.popitem(last=False)
        return known

    async def _keys(self, known: _Known, seconds: float) -> list[Key]:
        """The keys, read less than so many seconds ago."""
        if time.monotonic() - known.keys_read_at >= seconds:
            url = self._endpoint(known.metadata, "jwks_uri")
            answer = await self._outbound.request("GET", url, whose=known.metadata["issuer"])
            known.keys, known.keys_read_at = id_tokens.read_keys(_document(answer, "key set")), time.monotonic()
        return known.keys

    async def _exchange(
        self, provider: Provider, secret: str, metadata: Document, request: Request, code: str
    ) -> dict[str, str]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": request.redirect_uri,
            "code_verifier": request.verifier,
        }
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if secret and isinstance(methods, list) and "client_secret_basic" in methods:
            pair = f"{quote_plus(provider.client_id)}:{quote_plus(secret)}"  # RFC 6749, 2.3.1
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": provider.client_id} | ({"client_secret": secret} if secret else {})
        endpoint = self._endpoint(metadata, "token_endpoint")
        answer = await self._outbound.request(
            "POST", endpoint, headers=headers, data=urlencode(form).encode(), whose=provider.issuer
        )
        tokens = _document(answer, "answer to the code")
        if str(tokens.get("token_type", "")).lower() != "bearer":
            raise UnbelievableError("its access token is no bearer token")
        for name in ("access_token", "id_token"):
            if not isinstance(tokens.get(name), str):
                raise UnbelievableError(f"its answer to the code has no {name}")
        return tokens

    async def _userinfo(self, metadata: Document, access_token: str, subject: str) -> Document:
        if not (access_token.isascii() and access_token.isprintable()):
            raise UnbelievableError("its access token cannot be sent")
        headers = {"Accept": "application/json", "Authorization": f"Bearer {access_token}"}
        endpoint = self._endpoint(metadata, "userinfo_endpoint")
        answer = await self._outbound.request("GET", endpoint, headers=headers, whose=metadata["issuer"])
        claims = _document(answer, "userinfo")
        if claims.get("sub") != subject:
            raise UnbelievableError("its userinfo tells of somebody else")
        return claims

    def _endpoint(self, metadata: Document, name: str) -> str:
        url = metadata.get(name)
        try:
            self._outbound.check(url if isinstance(url, str) else "")
        except ValueError as error:
            raise UnbelievableError(f"{name} of its discovery document: {error}") from None
        return str(url)


def _document(answer: Response, what: str) -> Document:
    """The JSON object in an answer."""
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        document = None
    if answer.status != 200:  # noqa: PLR2004 - OK
        error = document.get("error") if isinstance(document, Mapping) else None
        reason = f" and {error}" if isinstance(error, str) and error.isidentifier() and len(error) < 100 else ""  # noqa: PLR2004 - a word
        raise OutboundError(f"its {what} came with the status {answer.status}{reason}")
    if not isinstance(document, dict):
        raise UnbelievableError(f"its {what} is no JSON object")
    return document
