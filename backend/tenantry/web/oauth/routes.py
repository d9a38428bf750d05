"""All routes of the authorization server."""

from __future__ import annotations

from tenantry.web.oauth import authorize, device, discovery, inspection, logout, token

ROUTES = [*discovery.ROUTES, *authorize.ROUTES, *token.ROUTES, *device.ROUTES, *inspection.ROUTES, *logout.ROUTES]
