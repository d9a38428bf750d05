"""All routes of the authorization server."""

from __future__ import annotations

from tenantry.web.oauth import authorize, discovery, token

ROUTES = [*discovery.ROUTES, *authorize.ROUTES, *token.ROUTES]
