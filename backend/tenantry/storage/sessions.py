"""Sessions: their rows, without any secret."""

from __future__ import annotations

from tenantry.model.identity import Session
from tenantry.storage import tables
from tenantry.storage.mapping import Rows, read_list
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_table = tables.Session
_rows = Rows(Session, _table, read={"amr": read_list})

#: How often it is written at most that a session is used.
USE_INTERVAL_US = 60_000_000

_GET = Statement(_rows.select.where(_table.id == arg("id")))
_OF_USER = Statement(
    _rows.select.where((_table.user_id == arg("user_id")) & (_table.revoked_at == 0)).order_by(_table.created_at.desc())
)
_TOUCH = Statement(
    _table.update({_table.last_seen_at: arg("at")}).where(
        (_table.id == arg("id")) & (_table.last_seen_at <= arg("before"))
    )
)
_SWITCH = Statement(
    _table.update({_table.tenant_id: arg("tenant_id")}).where((_table.id == arg("id")) & (_table.revoked_at == 0))
)
_REVOKE = Statement(
    _table.update({_table.revoked_at: arg("at")}).where((_table.id == arg("id")) & (_table.revoked_at == 0))
)
_OLD = Statement(_table.delete().where((_table.user_id == arg("user_id")) & (_table.last_seen_at < arg("before"))))


def insert(unit: Unit, session: Session) -> None:
    """Add ``session``."""
    unit.later(_rows.insert, **_rows.values(session))


def get(unit: Unit, session_id: str) -> Session | None:
    """The session of that id, also when it was revoked or has ended."""
    return _rows.one(unit.execute(_GET, id=session_id))


def of_user(unit: Unit, user_id: str) -> list[Session]:
    """The user's sessions that were not revoked, the newest first; some may have ended by time."""
    return _rows.all(unit.execute(_OF_USER, user_id=user_id))


def note_use(unit: Unit, session_id: str, at: int) -> bool:
    """Note that the session was used, unless a use within the last minute was noted; whether it was."""
    return unit.execute(_TOUCH, id=session_id, at=at, before=at - USE_INTERVAL_US).rowcount == 1


def switch(unit: Unit, session_id: str, tenant_id: str) -> None:
    """Make a tenant, or none, the active one."""
    unit.execute(_SWITCH, id=session_id, tenant_id=tenant_id)


def revoke(unit: Unit, session_id: str, at: int) -> bool:
    """End the session; False when there is none or it was ended already."""
    return unit.execute(_REVOKE, id=session_id, at=at).rowcount == 1


def forget(unit: Unit, user_id: str, before: int) -> None:
    """Delete the user's sessions that were used last before ``before``."""
    unit.later(_OLD, user_id=user_id, before=before)
