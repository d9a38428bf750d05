"""All routes of the application API."""

from __future__ import annotations

from tenantry.web.v1 import (
    audit,
    clients,
    explain,
    grants,
    history,
    identities,
    invites,
    keys,
    me,
    members,
    my_sign_in,
    objects,
    providers,
    records,
    service_accounts,
    sign_up,
    tenants,
    tombstones,
    users,
    webhooks,
)

ROUTES = [
    *me.ROUTES,
    *users.ROUTES,
    *members.ROUTES,
    *invites.ROUTES,
    *identities.ROUTES,
    *service_accounts.ROUTES,
    *my_sign_in.ROUTES,
    *objects.ROUTES,
    *sign_up.ROUTES,
    *tenants.ROUTES,
    *history.ROUTES,
    *audit.ROUTES,
    *explain.ROUTES,
    *tombstones.ROUTES,
    *keys.ROUTES,
    *providers.ROUTES,
    *webhooks.ROUTES,
    *records.ROUTES,
    *clients.ROUTES,
    *grants.ROUTES,
]
