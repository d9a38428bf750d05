"""What a person loses with their place in a tenant, in the transaction that takes the place away."""

from __future__ import annotations

from tenantry.services.standing import notice
from tenantry.storage import keys, sessions
from tenantry.storage.changes import Notice
from tenantry.storage.unit import Unit

_ALL = 2**31


def withdraw(unit: Unit, tenant_id: str, user_id: str, now: int, *, keep: str = "") -> list[Notice]:
    """End the user's sessions in the tenant and their personal keys of it; what tells the replicas.

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
    return [*notices, *(notice(key) for key in own if keys.revoke(unit, key.id, now))]
