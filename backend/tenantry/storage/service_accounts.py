"""Service accounts: their rows, and which of them a workload of a cluster is."""

from __future__ import annotations

import peewee

from tenantry.model.identity import ServiceAccount, UserStatus
from tenantry.model.permissions import Role
from tenantry.storage import claims, tables
from tenantry.storage.mapping import Rows, read_list
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

#: kind of the claim by which a workload is one service account and no other
WORKLOAD = "workload"

_table = tables.ServiceAccount
_rows = Rows(
    ServiceAccount,
    _table,
    read={"role": lambda role: Role(role) if role else None, "scopes": read_list, "status": UserStatus, "given": bool},
)

_GET = Statement(_rows.select.where(_table.id == arg("id")))
_PAGE = Statement(
    _rows.select.where((_table.tenant_id == arg("tenant_id")) & (_table.id > arg("after")))
    .order_by(_table.id)
    .limit(arg("limit"))
)
_COUNT = Statement(
    _table.select(peewee.fn.COUNT(_table.id)).where(_table.tenant_id == arg("tenant_id"))
)  # fmt: skip
_UPDATE = Statement(
    _table.update({
        _table.role: arg("role"),
        _table.status: arg("status"),
        _table.updated_at: arg("updated_at"),
    }).where((_table.id == arg("id")) & (_table.updated_at == arg("before")))
)  # fmt: skip
_DELETE = Statement(_table.delete().where(_table.id == arg("id")))


def insert(unit: Unit, account: ServiceAccount) -> bool:
    """Add ``account``; False when its tenant has one of that name."""
    try:
        unit.execute(_rows.insert, **_values(account))
    except peewee.IntegrityError:
        return False
    return True


def get(unit: Unit, account_id: str) -> ServiceAccount | None:
    """The service account of that id."""
    return _rows.one(unit.execute(_GET, id=account_id))


def of_workload(unit: Unit, cluster: str, subject: str) -> ServiceAccount | None:
    """The service account that the workload is, if it is one."""
    owner = claims.find_owner(unit, WORKLOAD, f"{cluster}/{subject}")
    return get(unit, owner) if owner else None


def page(unit: Unit, *, tenant_id: str, after: str = "", limit: int) -> list[ServiceAccount]:
    """At most ``limit`` service accounts of a tenant, or of none, with ids beyond ``after``, in their order."""
    return _rows.all(unit.execute(_PAGE, tenant_id=tenant_id, after=after, limit=limit))


def count(unit: Unit, tenant_id: str) -> int:
    """How many the tenant has, or the platform."""
    return int(unit.execute(_COUNT, tenant_id=tenant_id).fetchone()[0])


def claim(unit: Unit, account: ServiceAccount) -> bool:
    """Make the workload that ``account`` names this service account; False when it is another one."""
    return claims.claim(unit, WORKLOAD, f"{account.cluster}/{account.subject}", account.id) == account.id


def update(unit: Unit, account: ServiceAccount, before: ServiceAccount) -> bool:
    """Write role, status and a later ``updated_at`` over ``before``; False when another was faster."""
    return unit.execute(_UPDATE, before=before.updated_at, **_values(account)).rowcount == 1


def delete(unit: Unit, account: ServiceAccount) -> bool:
    """Delete the row, and free its workload; False when it is gone already."""
    if account.subject:
        claims.release(unit, WORKLOAD, f"{account.cluster}/{account.subject}", account.id)
    return unit.execute(_DELETE, id=account.id).rowcount == 1


def _values(account: ServiceAccount) -> dict[str, object]:
    return {**_rows.values(account), "role": account.role or ""}
