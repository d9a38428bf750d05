"""All routes of the authorization server."""

from __future__ import annotations

from tenantry.web.oauth import discovery, token

ROUTES = [*discovery.ROUTES, *token.ROUTES]
