"""All routes of the resource API."""

from __future__ import annotations

from tenantry.web.kubernetes import discovery, openapi, resources, reviews

ROUTES = [*discovery.ROUTES, *openapi.ROUTES, *resources.ROUTES, *reviews.ROUTES]
