"""Sign-ins at identity providers that are under way: their rows."""

from __future__ import annotations

from tenantry.model.providers import LoginTransaction
from tenantry.storage import tables
from tenantry.storage.expiry import Expiry
from tenantry.storage.mapping import Rows
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_table = tables.LoginTransaction
_rows = Rows(LoginTransaction, _table, read={"fresh": bool})

_GET = Statement(_rows.select.where(_table.id == arg("id")))
_USE = Statement(
    _table.update({_table.used_at: arg("at")}).where(
        (_table.id == arg("id"))
        & (_table.browser_sha == arg("browser_sha"))
        & (_table.provider == arg("provider"))
        & (_table.used_at == 0)
        & (_table.expires_at > arg("at"))
    )
)
_expiry = Expiry(_table.id, _table.expires_at)


def insert(unit: Unit, login: LoginTransaction) -> None:
    """Add ``login``; its id is random, and never one in use."""
    unit.execute(_rows.insert, **_rows.values(login))


def use(unit: Unit, login_id: str, browser_sha: str, provider: str, at: int) -> LoginTransaction | None:
    """Use up the one that this browser began at the provider; None when there is none that still works."""
    used = unit.execute(_USE, id=login_id, browser_sha=browser_sha, provider=provider, at=at)
    return _rows.one(unit.execute(_GET, id=login_id)) if used.rowcount == 1 else None


def forget_expired(unit: Unit, at: int, limit: int) -> int:
    """Remove at most ``limit`` sign-ins that have expired by ``at``, and return how many."""
    return _expiry.forget(unit, at, limit)
