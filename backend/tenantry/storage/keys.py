"""API keys: their rows, without any secret."""

from __future__ import annotations

import peewee

from tenantry.model.identity import ApiKey
from tenantry.storage import tables
from tenantry.storage.mapping import Rows, read_list
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_table = tables.ApiKey
_rows = Rows(ApiKey, _table, read={"scopes": read_list, "allowed_cidrs": read_list})

#: How often the time of the last use is written at most.
USE_INTERVAL_US = 60_000_000

_GET = Statement(_rows.select.where(_table.id == arg("id")))
_PAGE = Statement(
    _rows.select.where((_table.tenant_id == arg("tenant_id")) & (_table.id > arg("after")))
    .order_by(_table.id)
    .limit(arg("limit"))
)
_OWNED = Statement(
    _rows.select.where(
        (_table.tenant_id == arg("tenant_id")) & (_table.owner == arg("owner")) & (_table.id > arg("after"))
    )
    .order_by(_table.id)
    .limit(arg("limit"))
)
_works = (
    (_table.tenant_id == arg("tenant_id"))
    & (_table.revoked_at == 0)
    & ((_table.expires_at == 0) | (_table.expires_at > arg("now")))
)
_COUNT = Statement(_table.select(peewee.fn.COUNT(_table.id)).where(_works))
_COUNT_OWNED = Statement(_table.select(peewee.fn.COUNT(_table.id)).where(_works & (_table.owner == arg("owner"))))
_FORGET = Statement(_table.delete().where(_table.tenant_id == arg("tenant_id")))
_REVOKE = Statement(
    _table.update({_table.revoked_at: arg("at")}).where((_table.id == arg("id")) & (_table.revoked_at == 0))
)
_TOUCH = Statement(
    _table.update({_table.last_used_at: arg("at")}).where(
        (_table.id == arg("id")) & (_table.last_used_at <= arg("before"))
    )
)


def insert(unit: Unit, key: ApiKey) -> None:
    """Add ``key``; its id is random, and never one in use."""
    unit.execute(_rows.insert, **_rows.values(key))


def get(unit: Unit, key_id: str) -> ApiKey | None:
    """The key of that id, also when it has expired or was revoked."""
    return _rows.one(unit.execute(_GET, id=key_id))


def page(unit: Unit, *, tenant_id: str = "", after: str = "", limit: int) -> list[ApiKey]:
    """At most ``limit`` keys of a tenant, or of none, with ids beyond ``after``, in their order."""
    return _rows.all(unit.execute(_PAGE, tenant_id=tenant_id, after=after, limit=limit))


def owned(unit: Unit, owner: str, *, tenant_id: str, after: str = "", limit: int) -> list[ApiKey]:
    """At most ``limit`` keys of a tenant, or of none, that act as ``owner``, with ids beyond ``after``."""
    return _rows.all(unit.execute(_OWNED, tenant_id=tenant_id, owner=owner, after=after, limit=limit))


def count(unit: Unit, tenant_id: str, now: int) -> int:
    """How many of the tenant, or of the platform, work at ``now``, in epoch microseconds."""
    return int(unit.execute(_COUNT, tenant_id=tenant_id, now=now).fetchone()[0])


def count_owned(unit: Unit, owner: str, *, tenant_id: str, now: int) -> int:
    """How many of them act as ``owner``."""
    return int(unit.execute(_COUNT_OWNED, owner=owner, tenant_id=tenant_id, now=now).fetchone()[0])


def forget(unit: Unit, tenant_id: str) -> None:
    """Delete all keys of the tenant."""
    unit.execute(_FORGET, tenant_id=tenant_id)


def revoke(unit: Unit, key_id: str, at: int) -> bool:
    """Revoke the key; False when there is none or it was revoked already."""
    return unit.execute(_REVOKE, id=key_id, at=at).rowcount == 1


def note_use(unit: Unit, key_id: str, at: int) -> bool:
    """Note that the key was used, unless a use within the last minute was noted; whether it was."""
    return unit.execute(_TOUCH, id=key_id, at=at, before=at - USE_INTERVAL_US).rowcount == 1
