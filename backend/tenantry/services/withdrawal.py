"""What goes with something else, in the same transaction: with a person's place in a tenant, and with the tenant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tenantry.model import ids
from tenantry.model.identity import Actor, ApiKey
from tenantry.model.notice import Notice
from tenantry.model.oauth import USER_TOKEN_SECONDS, Revocation
from tenantry.model.providers import Identity
from tenantry.services.audit.log import event
from tenantry.services.standing import notice, notice_of_all
from tenantry.storage import (
    audit,
    clients,
    codes,
    consents,
    deliveries,
    devices,
    families,
    identities,
    invites,
    keys,
    memberships,
    revocations,
    service_accounts,
    sessions,
    webhooks,
)
from tenantry.storage.unit import Unit

_ALL = 2**31
#: how long a token that was taken back could still be good, and a little more
_REVOCATION_US = (USER_TOKEN_SECONDS + 300) * 1_000_000


@dataclass(frozen=True, slots=True)
class Held:
    """What lets somebody act as a person beside their password; the keys are those that work, in all their tenants."""

    identities: Sequence[Identity]
    keys: Sequence[ApiKey]

    def keys_in(self, tenant_id: str) -> list[ApiKey]:
        """Those of the keys that work in that tenant; those for the platform when it is empty."""
        return [key for key in self.keys if key.tenant_id == tenant_id]


def access_of(unit: Unit, user_id: str) -> Held:
    """What the user has of it."""
    return Held(identities.of_user(unit, user_id), keys_of_person(unit, user_id))


def withdraw(unit: Unit, tenant_id: str, user_id: str, now: int, *, keep: str = "") -> list[Notice]:
    """End what the user has in the tenant: sessions, keys of their own, and what clients have or would get there.

    Returns what tells the replicas.

    Args:
        unit: the write unit.
        tenant_id: identity of the tenant.
        user_id: who loses their place.
        now: epoch microseconds.
        keep: id of the session in which they leave by themselves, which goes on without a tenant.
    """
    notices = []
    for session in sessions.of_user(unit, user_id):
        if session.tenant_id == tenant_id:
            if session.id == keep:
                sessions.switch(unit, session.id, "")
            else:
                sessions.revoke(unit, session.id, now)
            notices.append(notice(session))
    own = keys.owned(unit, f"user:{user_id}", tenant_id=tenant_id, limit=_ALL)
    notices += [notice(key) for key in own if keys.revoke(unit, key.id, now)]
    # before the families are read: who redeems a code at this moment comes first, and is seen there, or finds it gone
    codes.delete_in(unit, user_id, tenant_id)
    devices.delete_in(unit, user_id, tenant_id)
    consents.delete_in(unit, user_id, tenant_id)
    for family in families.of_user(unit, user_id):
        if family.tenant_id == tenant_id and families.revoke(unit, family.id, now):
            notices.append(end_tokens(unit, family.id, now))
    return notices


def withdraw_access(unit: Unit, actor: Actor, user_id: str) -> list[Notice]:
    """Take from the user whom they are at identity providers, and all keys of their own; what tells the replicas."""
    now = ids.now_micros()
    for identity in identities.of_user(unit, user_id):
        identities.delete(unit, identity.id, user_id)
        told = f"{identity.issuer} {identity.subject}"
        audit.append(unit, event(actor, "identity.unlink", "Identity", identity.id, at=now, tenant_id="", message=told))
    revoked = [key for key in keys_of_person(unit, user_id) if keys.revoke(unit, key.id, now)]
    for key in revoked:
        row = event(actor, "key.revoke", "ApiKey", key.id, at=now, tenant_id=key.tenant_id, message=key.name)
        audit.append(unit, row)
    return [notice(key) for key in revoked]


def withdraw_grants(unit: Unit, user_id: str) -> list[Notice]:
    """Take back all that the user has let OAuth clients have; what tells the replicas."""
    now = ids.now_micros()
    for consent in consents.of_user(unit, user_id):
        consents.delete(unit, user_id, consent.client_id)
    found = [family.id for family in families.of_user(unit, user_id) if families.revoke(unit, family.id, now)]
    return [end_tokens(unit, family_id, now) for family_id in found]


def keys_of_person(unit: Unit, user_id: str) -> list[ApiKey]:
    """The keys of the user's own that work, in all tenants and for the platform."""
    places = ["", *(place.tenant_id for place in memberships.of_user(unit, user_id))]
    own = (keys.owned(unit, f"user:{user_id}", tenant_id=tenant_id, limit=_ALL) for tenant_id in places)
    return [key for found in own for key in _working(found)]


def end_tokens(unit: Unit, family_id: str, now: int) -> Notice:
    """Make the access tokens of a family that was revoked no good; what tells the replicas."""
    revocation = Revocation(id=family_id, expires_at=now + _REVOCATION_US)
    revocations.add(unit, revocation)
    return notice(revocation)


def forget_tenant(unit: Unit, tenant_id: str) -> Notice:
    """Delete who and what belonged to a tenant that cannot come back any more; others can have what its programs were.

    Returns what tells the replicas of all that. Grants and sessions in it are of no use without it and end by
    themselves.
    """
    for webhook_id in webhooks.of_tenant(unit, tenant_id):
        deliveries.delete_all(unit, webhook_id)
        webhooks.delete(unit, webhook_id)
    memberships.forget(unit, tenant_id)
    invites.forget(unit, tenant_id)
    consents.forget(unit, tenant_id)
    keys.forget(unit, tenant_id)
    for client in clients.page(unit, tenant_id=tenant_id, limit=_ALL):
        clients.delete(unit, client.id)
    for account in service_accounts.page(unit, tenant_id=tenant_id, limit=_ALL):
        service_accounts.delete(unit, account)
    return notice_of_all(tenant_id)


def _working(found: Sequence[ApiKey]) -> list[ApiKey]:
    now = ids.now_micros()
    return [key for key in found if not key.revoked_at and not 0 < key.expires_at <= now]
