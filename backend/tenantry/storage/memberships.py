"""Memberships: their rows."""

from __future__ import annotations

import peewee

from tenantry.model.identity import Membership, UserStatus
from tenantry.model.permissions import Role
from tenantry.storage import tables
from tenantry.storage.mapping import Rows
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

#: source of the place of who has made the tenant
SIGN_UP = "sign-up"

_table = tables.Membership
_rows = Rows(Membership, _table, read={"role": Role})
_this = (_table.tenant_id == arg("tenant_id")) & (_table.user_id == arg("user_id"))

_GET = Statement(_rows.select.where(_this))
_OF_USER = Statement(_rows.select.where(_table.user_id == arg("user_id")).order_by(_table.tenant_id))
_OF_TENANT = Statement(
    _rows.select.where((_table.tenant_id == arg("tenant_id")) & (_table.user_id > arg("after")))
    .order_by(_table.user_id)
    .limit(arg("limit"))
)
_SIGNED_UP = Statement(
    _table.select(peewee.fn.COUNT(_table.tenant_id)).where(
        (_table.user_id == arg("user_id")) & (_table.source == SIGN_UP)
    )
)
_UPDATE = Statement(_table.update({_table.role: arg("role"), _table.updated_at: arg("at")}).where(_this))
_DELETE = Statement(_table.delete().where(_this))
_FORGET = Statement(_table.delete().where(_table.tenant_id == arg("tenant_id")))
_is_owner = _table.role == str(Role.OWNER)
_LOCK = Statement(
    _table.update({_table.updated_at: _table.updated_at + 1}).where(
        (_table.tenant_id == arg("tenant_id")) & (_is_owner | (_table.user_id == arg("user_id")))
    )
)
_OTHER_OWNERS = Statement(
    _table.select(peewee.fn.COUNT(_table.user_id))
    .join(tables.User, on=tables.User.id == _table.user_id)
    .where(
        (_table.tenant_id == arg("tenant_id"))
        & _is_owner
        & (_table.user_id != arg("user_id"))
        & (tables.User.status == str(UserStatus.ACTIVE))
    )
)


def insert(unit: Unit, membership: Membership) -> bool:
    """Add ``membership``; False when the user is a member already."""
    try:
        unit.execute(_rows.insert, **_rows.values(membership))
    except peewee.IntegrityError:
        return False
    return True


def lock(unit: Unit, tenant_id: str, user_id: str) -> int:
    """How many owners the tenant has beside that user who are not disabled.

    No owner's place, nor the user's, changes before this unit has ended. It writes to the rows, since a lock that is
    only asked for holds on one node of a Galera cluster alone.
    """
    unit.execute(_LOCK, tenant_id=tenant_id, user_id=user_id)
    return int(unit.execute(_OTHER_OWNERS, tenant_id=tenant_id, user_id=user_id).fetchone()[0])


def get(unit: Unit, tenant_id: str, user_id: str) -> Membership | None:
    """The user's place in the tenant, if there is one."""
    return _rows.one(unit.execute(_GET, tenant_id=tenant_id, user_id=user_id))


def of_user(unit: Unit, user_id: str) -> list[Membership]:
    """All places that the user has."""
    return _rows.all(unit.execute(_OF_USER, user_id=user_id))


def of_tenant(unit: Unit, tenant_id: str, *, after: str = "", limit: int) -> list[Membership]:
    """At most ``limit`` members of the tenant with user ids beyond ``after``, in their order."""
    return _rows.all(unit.execute(_OF_TENANT, tenant_id=tenant_id, after=after, limit=limit))


def count_signed_up(unit: Unit, user_id: str) -> int:
    """How many tenants the user has made and is still in; also those that were deleted and can come back."""
    return int(unit.execute(_SIGNED_UP, user_id=user_id).fetchone()[0])


def set_role(unit: Unit, tenant_id: str, user_id: str, role: Role, at: int) -> bool:
    """Change the role; False when there is no such member."""
    return unit.execute(_UPDATE, tenant_id=tenant_id, user_id=user_id, role=str(role), at=at).rowcount == 1


def delete(unit: Unit, tenant_id: str, user_id: str) -> bool:
    """Take the place away; False when there is none."""
    return unit.execute(_DELETE, tenant_id=tenant_id, user_id=user_id).rowcount == 1


def forget(unit: Unit, tenant_id: str) -> None:
    """Delete all places in the tenant."""
    unit.execute(_FORGET, tenant_id=tenant_id)
