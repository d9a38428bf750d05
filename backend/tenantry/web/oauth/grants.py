"""The grants: what Authlib's classes are told of our tokens, and where they are stricter than Authlib's are."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.errors import InvalidScopeError, OAuth2Error

from tenantry.model.oauth import CLIENT_TOKEN_SECONDS, IDENTITY_SCOPES
from tenantry.web.oauth.server import Client, Request, Server

Token = dict[str, Any]


class InvalidTargetError(OAuth2Error):
    """The token is asked for another API than ours (RFC 8707, 2)."""

    error = "invalid_target"


class OurGrant:
    """What all grants have in common; stands before Authlib's class. The client has proved itself already."""

    request: Request
    server: Server

    def authenticate_token_endpoint_client(self) -> Client:
        """The client that has proved itself, when the request is for our API."""
        if self.request.parameters.get("resource", self.server.issuer) != self.server.issuer:
            raise InvalidTargetError(f"There is no resource but {self.server.issuer}.")
        client: Client = self.request.client
        return client

    def save_token(self, token: Token) -> None:
        """Access tokens are kept nowhere."""


class ClientCredentialsGrant(OurGrant, grants.ClientCredentialsGrant):
    """A client for itself. It is told to be content with less than it has by ``scope``, and never gets more."""

    def validate_requested_scope(self) -> None:
        """Refuse what the client may not have; Authlib asks only whether there is such a scope."""
        asked = (self.request.parameters.get("scope") or "").split()
        if not set(asked) <= set(self.request.client.model.scopes) - IDENTITY_SCOPES.keys():
            raise InvalidScopeError("The client may not have all of these scopes.")

    def generate_token(self, **_: Any) -> Token:
        """The answer, whose ``access_token`` is still to be signed."""
        client = self.request.client.model
        scopes = self.request.parameters.get("scope") or " ".join(
            scope for scope in client.scopes if scope not in IDENTITY_SCOPES
        )
        claims = self.server.tokens.claims(
            subject=client.id,
            client_id=client.id,
            scopes=scopes,
            seconds=CLIENT_TOKEN_SECONDS,
            tid=client.tenant_id,
        )
        return {"token_type": "Bearer", "access_token": claims, "expires_in": CLIENT_TOKEN_SECONDS, "scope": scopes}
