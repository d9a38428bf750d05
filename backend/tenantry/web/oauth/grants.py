"""The grants: what Authlib's classes are told of our tokens, and where they are stricter than Authlib's are."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.errors import (
    AccessDeniedError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Error,
)
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8628 import DeviceCodeGrant as AuthlibDeviceCodeGrant
from authlib.oauth2.rfc8628.errors import AuthorizationPendingError, ExpiredTokenError, SlowDownError

from tenantry.model.oauth import (
    CLIENT_TOKEN_SECONDS,
    IDENTITY_SCOPES,
    USER_TOKEN_SECONDS,
    AuthCode,
    DeviceCode,
    RefreshToken,
    TokenFamily,
)
from tenantry.services.oauth.access_tokens import ID_TOKEN_SECONDS, Claims
from tenantry.services.oauth.grants import OAuthStore
from tenantry.web.oauth.server import Client, Request, Server

#: what the token endpoint answers; ``access_token`` and ``id_token`` are claims that are still to be signed
Token = dict[str, Any]


class InvalidTargetError(OAuth2Error):
    """The token is asked for another API than ours (RFC 8707, 2)."""

    error = "invalid_target"


class OurGrant:
    """What all grants have in common; stands before Authlib's class. The client has proved itself already."""

    request: Request
    server: Server
    nonce = ""

    @property
    def store(self) -> OAuthStore:
        """What we keep, in the transaction of this request."""
        return self.server.store

    def authenticate_token_endpoint_client(self) -> Client:
        """The client that has proved itself, when the request is for our API."""
        check_resource(self.request, self.server)
        client: Client = self.request.client
        return client

    def generate_token(self, scope: str | None = None, **_: Any) -> Token:
        """The answer to a person's client; Authlib's generator never sees the request, so it is not used."""
        family, scopes = self.request.family, (scope or "").split()
        if family is None:
            raise InvalidGrantError
        claims = self.server.tokens.claims(
            subject=family.user_id,
            client_id=family.client_id,
            scopes=" ".join(scopes),
            seconds=USER_TOKEN_SECONDS,
            tid=family.tenant_id,
            sid=family.ends_with,
            gid=family.id,
            amr=list(family.amr),
            auth_time=family.auth_time // 1_000_000,
            ver=family.auth_version,
        )
        token = {
            "token_type": "Bearer",
            "access_token": claims,
            "expires_in": USER_TOKEN_SECONDS,
            "scope": " ".join(scopes),
        }
        if "openid" in scopes:
            token["id_token"] = _id_token(claims, sid=family.session_id, nonce=self.nonce)
        refresh_token = self.next_refresh_token(family)
        return {**token, "refresh_token": refresh_token} if refresh_token else token

    def next_refresh_token(self, family: TokenFamily) -> str:
        """A first refresh token, for a client that may use one."""
        may = self.request.client.check_grant_type("refresh_token")
        return self.store.new_refresh_token(family) if may else ""

    def save_token(self, token: Token) -> None:
        """Access tokens are kept nowhere."""


class ClientCredentialsGrant(OurGrant, grants.ClientCredentialsGrant):
    """A client for itself. It is told to be content with less than it has by ``scope``, and never gets more."""

    def validate_requested_scope(self) -> None:
        """Refuse what the client may not have; Authlib asks only whether there is such a scope."""
        asked = (self.request.parameters.get("scope") or "").split()
        if not set(asked) <= set(self.request.client.model.scopes) - IDENTITY_SCOPES.keys():
            raise InvalidScopeError("The client may not have all of these scopes.")

    def generate_token(self, scope: str | None = None, **_: Any) -> Token:
        """The answer, without a refresh token and without a row."""
        client = self.request.client.model
        scopes = scope or " ".join(scope for scope in client.scopes if scope not in IDENTITY_SCOPES)
        claims = self.server.tokens.claims(
            subject=client.id, client_id=client.id, scopes=scopes, seconds=CLIENT_TOKEN_SECONDS, tid=client.tenant_id
        )
        return {"token_type": "Bearer", "access_token": claims, "expires_in": CLIENT_TOKEN_SECONDS, "scope": scopes}


class _Code:
    """An authorization code as Authlib asks it."""

    code_challenge_method = "S256"

    def __init__(self, code: AuthCode) -> None:
        self.model = code
        self.code_challenge = code.challenge

    def get_redirect_uri(self) -> str:
        """Where it was sent to."""
        return self.model.redirect_uri

    def get_scope(self) -> str:
        """What it stands for."""
        return " ".join(self.model.scopes)


class AuthorizationCodeGrant(OurGrant, grants.AuthorizationCodeGrant):
    """A person's browser brings the client a code, which it redeems once."""

    def validate_requested_scope(self) -> None:
        """Refuse a request that asks for nothing: there is no default that a person would know of (RFC 6749, 3.3)."""
        if not (self.request.payload.scope or "").split():
            raise InvalidScopeError("Missing 'scope' in request.")
        super().validate_requested_scope()

    def save_authorization_code(self, code: str, request: Request) -> None:
        """There is nothing left to save."""

    def generate_authorization_code(self) -> str:
        """A code for who is signed in; Authlib's own is replaced, so that it can be looked up by its first part."""
        sent, session = self.request.parameters, self.request.session
        if session is None:
            raise AccessDeniedError
        return self.store.add_code(
            session,
            self.request.client.model,
            tuple((self.request.scope or "").split()),
            redirect_uri=sent["redirect_uri"],
            challenge=sent["code_challenge"],
            nonce=sent.get("nonce", ""),
        )

    def query_authorization_code(self, code: str, client: Client) -> _Code | None:
        """The code, if it is good; everything is checked before it is redeemed."""
        found = self.store.find_code(code, client.client_id)
        return _Code(found) if found else None

    def authenticate_user(self, authorization_code: _Code) -> TokenFamily | None:
        """Redeem the code: the one conditional UPDATE that decides who gets the tokens."""
        self.nonce = authorization_code.model.nonce
        self.request.family = self.store.redeem_code(authorization_code.model, self.request.client.model)
        return self.request.family

    def delete_authorization_code(self, authorization_code: _Code) -> None:
        """It is kept until it expires, to see whether it is used twice."""


class ForcedPKCE(CodeChallenge):
    """PKCE with S256 for every client (RFC 9700, 2.1.1); Authlib takes ``plain``, and confidential clients without."""

    DEFAULT_CODE_CHALLENGE_METHOD = "S256"
    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: AuthorizationCodeGrant, redirect_uri: object) -> None:
        """Refuse an authorization request without a challenge."""
        sent = grant.request.parameters
        if "code_challenge" not in sent or sent.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE is needed, with code_challenge_method=S256.")
        check_resource(grant.request, grant.server)
        super().validate_code_challenge(grant, redirect_uri)


class _Refresh:
    """A refresh token as Authlib asks it."""

    def __init__(self, token: RefreshToken, family: TokenFamily) -> None:
        self.model, self.family = token, family

    def check_client(self, client: Client) -> bool:
        """Whether it is that client's."""
        return self.family.client_id == client.client_id

    def get_scope(self) -> str:
        """What its tokens may have at most."""
        return " ".join(self.family.scopes)


class RefreshTokenGrant(OurGrant, grants.RefreshTokenGrant):
    """A refresh token is replaced with every use; when one is used twice, all that came of it is taken back."""

    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> _Refresh | None:
        """The token, if its family is good; everything is checked before it is used."""
        found = self.store.find_refresh_token(refresh_token, self.request.client.client_id)
        return _Refresh(*found) if found else None

    def authenticate_user(self, refresh_token: _Refresh) -> TokenFamily:
        """Use the token, before anything is made of it."""
        successor = self.store.rotate(refresh_token.model, refresh_token.family)
        if successor is None:
            raise InvalidGrantError("The refresh token was used before.")
        self.request.family, self.request.successor = refresh_token.family, successor
        return refresh_token.family

    def next_refresh_token(self, family: TokenFamily) -> str:
        """The successor."""
        del family
        return self.request.successor

    def revoke_old_credential(self, refresh_token: _Refresh) -> None:
        """That was done when it was used."""


class _Device:
    """A device's sign-in as Authlib asks it."""

    def __init__(self, device: DeviceCode) -> None:
        self.model = device

    def get_client_id(self) -> str:
        """The client that waits."""
        return self.model.client_id

    def get_scope(self) -> str:
        """What for."""
        return " ".join(self.model.scopes)


class DeviceCodeGrant(OurGrant, AuthlibDeviceCodeGrant):
    """A device asks until a person has said yes or no in a browser (RFC 8628)."""

    def query_device_credential(self, device_code: str) -> _Device:
        """The sign-in that the client waits for."""
        found = self.store.find_device(device_code, self.request.client.client_id)
        if found is None:
            raise InvalidGrantError("The device code is not good, or not any more.")
        return _Device(found)

    def validate_device_credential(self, credential: _Device) -> TokenFamily:
        """What the person has granted, redeemed by one conditional UPDATE."""
        device = credential.model
        if device.expires_at <= self.store.now:
            raise ExpiredTokenError
        if not device.decided_at:
            raise SlowDownError if self.store.is_too_soon(device) else AuthorizationPendingError
        if not device.user_id:
            raise AccessDeniedError
        family = self.store.redeem_device(device, self.request.client.model)
        if family is None:
            raise InvalidGrantError("The device code is not good any more.")
        self.request.family = family
        return family


def check_resource(request: Request, server: Server) -> None:
    """Refuse a request for a token that is for another API than ours (RFC 8707)."""
    if request.parameters.get("resource", server.issuer) != server.issuer:
        raise InvalidTargetError(f"There is no resource but {server.issuer} here.")


def _id_token(access: Claims, **more: str) -> Claims:
    """The claims of the ID token that goes with an access token (OpenID Connect Core, 2)."""
    same: Claims = {name: access[name] for name in ("iss", "sub", "iat", "auth_time", "amr") if name in access}
    given = {name: value for name, value in more.items() if value}
    return {**same, "aud": access["client_id"], "exp": access["iat"] + ID_TOKEN_SECONDS, **given}
