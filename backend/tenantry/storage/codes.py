"""Authorization codes: their rows, without any secret."""

from __future__ import annotations

from tenantry.model.oauth import AuthCode
from tenantry.storage import tables
from tenantry.storage.expiry import Expiry
from tenantry.storage.mapping import Rows, read_list
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_table = tables.AuthCode
_rows = Rows(AuthCode, _table, read={"scopes": read_list, "amr": read_list})

_GET = Statement(_rows.select.where(_table.id == arg("id")))
_REDEEM = Statement(
    _table.update({_table.redeemed_at: arg("at")}).where((_table.id == arg("id")) & (_table.redeemed_at == 0))
)
_DELETE_IN = Statement(
    _table.delete().where((_table.user_id == arg("user_id")) & (_table.tenant_id == arg("tenant_id")))
)
_DELETE_FOR = Statement(
    _table.delete().where((_table.user_id == arg("user_id")) & (_table.client_id == arg("client_id")))
)
_expiry = Expiry(_table.id, _table.expires_at)


def insert(unit: Unit, code: AuthCode) -> None:
    """Add ``code``."""
    unit.execute(_rows.insert, **_rows.values(code))


def get(unit: Unit, code_id: str) -> AuthCode | None:
    """The code of that id, also when it was redeemed or has expired."""
    return _rows.one(unit.execute(_GET, id=code_id))


def redeem(unit: Unit, code_id: str, at: int) -> bool:
    """Redeem the code; False when that was done before."""
    return unit.execute(_REDEEM, id=code_id, at=at).rowcount == 1


def delete_in(unit: Unit, user_id: str, tenant_id: str) -> None:
    """Delete the codes that would let a client act for the user in the tenant."""
    unit.execute(_DELETE_IN, user_id=user_id, tenant_id=tenant_id)


def delete_for(unit: Unit, user_id: str, client_id: str) -> None:
    """Delete the codes that would let the client act for the user."""
    unit.execute(_DELETE_FOR, user_id=user_id, client_id=client_id)


def forget_expired(unit: Unit, at: int, limit: int) -> int:
    """Remove at most ``limit`` codes that have expired by ``at``, and return how many."""
    return _expiry.forget(unit, at, limit)
