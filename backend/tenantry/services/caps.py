"""How many of each thing a tenant, a person or the platform may have: they are rows, and some are work for replicas.

They are counted in the unit that adds one, and no row is locked for that. So who adds at the same moment may count the
same: on MySQL and MariaDB there can be one too many for each connection that writes at that moment, and no more. SQLite
has one writer, which counts exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

from tenantry.model.errors import Code, TenantryError


@dataclass(frozen=True, slots=True)
class Cap:
    """At most so many; ``instead`` is what to do when there are."""

    most: int
    what: str
    instead: str


CLIENTS = Cap(200, "OAuth clients", "delete one that nobody uses")
SECRETS = Cap(5, "secrets of the client", "revoke one first")
#: that work: who was revoked or has expired counts no more
KEYS = Cap(1000, "API keys that work", "revoke one that nobody uses")
KEYS_OF_ONE = Cap(100, "API keys that work for the same owner", "revoke one that nobody uses")
#: that wait to be accepted
INVITES = Cap(500, "invites that wait", "take one back, or wait until they are accepted or have expired")
SERVICE_ACCOUNTS = Cap(200, "service accounts", "delete one that nobody uses")
WEBHOOKS = Cap(50, "webhooks", "delete one that nobody needs")
#: of one person, while they are a member: who runs the platform makes any number of them
TENANTS = Cap(20, "tenants that you have made and are in", "ask who runs the platform for another")
#: of the platform alone
PROVIDERS = Cap(100, "identity providers", "delete one with which nobody signs in")


def check(cap: Cap, count: int) -> None:
    """See that there is room for one more beside ``count``.

    Raises:
        TenantryError: ``LIMIT_REACHED``.
    """
    if count >= cap.most:
        raise TenantryError(Code.LIMIT_REACHED, f"there are {count} {cap.what}, of {cap.most} at most: {cap.instead}")
