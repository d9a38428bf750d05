"""All routes of the pages."""

from __future__ import annotations

from tenantry.web import rendering
from tenantry.web.pages import (
    access,
    account,
    email_address,
    federation,
    grants,
    invite,
    keys,
    passwords,
    registration,
    setup,
    sign_in,
    tenants,
)

ROUTES = [
    *rendering.ROUTES,
    *federation.ROUTES,
    *sign_in.ROUTES,
    *setup.ROUTES,
    *invite.ROUTES,
    *passwords.ROUTES,
    *registration.ROUTES,
    *account.ROUTES,
    *access.ROUTES,
    *email_address.ROUTES,
    *keys.ROUTES,
    *tenants.ROUTES,
    *grants.ROUTES,
]
