"""What clients need to know of the authorization server: its metadata and its public keys."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tenantry.model.oauth import ALL_SCOPES, GrantType
from tenantry.model.permissions import Permission
from tenantry.services.oauth.client_assertions import ALGORITHMS
from tenantry.web.oauth.authorize import PROMPTS
from tenantry.web.oauth.server import METHODS
from tenantry.web.routes import SERVICES, Cookie, Route

#: a key is published for longer than this before it signs, and after
_CACHED = {"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"}


def metadata(issuer: str) -> dict[str, Any]:
    """What RFC 8414 and OpenID Connect Discovery want to know of us."""
    proofs: dict[str, Any] = {}
    for endpoint in ("token", "revocation", "introspection"):
        # who looks into tokens must prove who it is
        methods = [method for method in METHODS if endpoint != "introspection" or method != "none"]
        proofs[f"{endpoint}_endpoint_auth_methods_supported"] = methods
        proofs[f"{endpoint}_endpoint_auth_signing_alg_values_supported"] = list(ALGORITHMS)
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "token_endpoint": f"{issuer}/oauth/token",
        "device_authorization_endpoint": f"{issuer}/oauth/device_authorization",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "userinfo_endpoint": f"{issuer}/oauth/userinfo",
        "end_session_endpoint": f"{issuer}/oauth/logout",
        "jwks_uri": f"{issuer}/oauth/jwks",
        "scopes_supported": list(ALL_SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(GrantType),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        "prompt_values_supported": list(PROMPTS),
        "claims_supported": ["sub", "name", "email", "email_verified", "auth_time", "amr", "sid", "nonce"],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        **proofs,
    }


async def _metadata(request: web.Request) -> web.Response:
    return web.json_response(metadata(request.app[SERVICES].settings.issuer), headers=_CACHED)


async def _jwks(request: web.Request) -> web.Response:
    ring = await request.app[SERVICES].signing_keys.ring()
    return web.json_response({"keys": [key.public() for key in ring.keys]}, headers=_CACHED)


ROUTES = [
    Route("GET", path, handler, Permission.PUBLIC, session=Cookie.CLIENT)
    for path, handler in (
        ("/.well-known/openid-configuration", _metadata),
        ("/.well-known/oauth-authorization-server", _metadata),
        ("/oauth/jwks", _jwks),
    )
]
