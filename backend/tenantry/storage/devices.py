"""Sign-ins that devices wait for: their rows, without any secret."""

from __future__ import annotations

from tenantry.model.oauth import DeviceCode
from tenantry.storage import tables
from tenantry.storage.expiry import Expiry
from tenantry.storage.mapping import Rows, read_list
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_table = tables.DeviceCode
_rows = Rows(DeviceCode, _table, read={"scopes": read_list, "amr": read_list})
_DECISION = ("decided_at", "user_id", "tenant_id", "amr", "auth_time", "auth_version")

_GET = Statement(_rows.select.where(_table.id == arg("id")))
_FIND = Statement(_rows.select.where(_table.user_code == arg("user_code")))
_POLL = Statement(
    _table.update({_table.polled_at: arg("at"), _table.interval: arg("interval")}).where(_table.id == arg("id"))
)
_DECIDE = Statement(
    _table.update({getattr(_table, name): arg(name) for name in _DECISION}).where(
        (_table.id == arg("id")) & (_table.decided_at == 0) & (_table.expires_at > arg("decided_at"))
    )
)
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


def insert(unit: Unit, device: DeviceCode) -> None:
    """Add ``device``."""
    unit.execute(_rows.insert, **_rows.values(device))


def get(unit: Unit, device_id: str) -> DeviceCode | None:
    """The sign-in of that id, also when it has ended."""
    return _rows.one(unit.execute(_GET, id=device_id))


def find(unit: Unit, user_code: str) -> DeviceCode | None:
    """The sign-in that a person has the code of, also when it has ended."""
    return _rows.one(unit.execute(_FIND, user_code=user_code))


def note_poll(unit: Unit, device_id: str, at: int, interval: int) -> None:
    """Note that the device asked, and how long it must wait until it asks again."""
    unit.execute(_POLL, id=device_id, at=at, interval=interval)


def decide(unit: Unit, decided: DeviceCode) -> bool:
    """Write what the person said; False when that was done before, or it is too late."""
    values = _rows.values(decided)
    return unit.execute(_DECIDE, id=decided.id, **{name: values[name] for name in _DECISION}).rowcount == 1


def redeem(unit: Unit, device_id: str, at: int) -> bool:
    """Redeem it; False when that was done before."""
    return unit.execute(_REDEEM, id=device_id, at=at).rowcount == 1


def delete_in(unit: Unit, user_id: str, tenant_id: str) -> None:
    """Delete the sign-ins that would let a client act for the user in the tenant."""
    unit.execute(_DELETE_IN, user_id=user_id, tenant_id=tenant_id)


def delete_for(unit: Unit, user_id: str, client_id: str) -> None:
    """Delete the sign-ins that would let the client act for the user."""
    unit.execute(_DELETE_FOR, user_id=user_id, client_id=client_id)


def forget_expired(unit: Unit, at: int, limit: int) -> int:
    """Remove at most ``limit`` sign-ins of devices that have expired by ``at``, and return how many."""
    return _expiry.forget(unit, at, limit)
