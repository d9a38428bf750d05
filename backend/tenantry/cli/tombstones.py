"""The way back from a deleted tenant, told where somebody looks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import click

from tenantry.cli.remote import Remote
from tenantry.client.tenants import Tenants
from tenantry.model.errors import Code, TenantryError
from tenantry.model.kinds import TENANT, Address


@asynccontextmanager
async def offering_undelete(target: Remote, at: Address) -> AsyncIterator[None]:
    """Add to the error that there is no such tenant how it comes back, if it was deleted."""
    try:
        yield
    except TenantryError as error:
        missing = error.code is Code.NOT_FOUND and at.kind is TENANT
        if not (missing and await Tenants(target.session).can_come_back(at.name)):
            raise
        message = f"{error.message}; it was deleted, bring it back with: tenantry undelete tenant {at.name}"
        raise TenantryError(error.code, message, error.fields, kind=error.kind, name=error.name) from None


async def tell_way_back(target: Remote, tenants: Sequence[str]) -> None:
    """Say how tenants come back that were just deleted; of many in one line."""
    if len(tenants) > 1:
        click.echo(
            "bring one back with: tenantry undelete tenant NAME; `tenantry undelete` shows which can be", err=True
        )
    elif tenants and await Tenants(target.session).can_come_back(tenants[0]):
        click.echo(f"bring it back with: tenantry undelete tenant {tenants[0]}", err=True)
