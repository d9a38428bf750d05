"""What people let clients have: the rows."""

from __future__ import annotations

from contextlib import suppress

import peewee

from tenantry.model.oauth import Consent
from tenantry.storage import tables
from tenantry.storage.mapping import Rows, read_list
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_table = tables.Consent
_rows = Rows(Consent, _table, read={"scopes": read_list})
_TO_CLIENT = (_table.user_id == arg("user_id")) & (_table.client_id == arg("client_id"))
_THIS = _TO_CLIENT & (_table.tenant_id == arg("tenant_id"))

_GET = Statement(_rows.select.where(_THIS))
_OF_USER = Statement(
    _rows.select.where(_table.user_id == arg("user_id")).order_by(_table.client_id, _table.created_at, _table.tenant_id)
)
_UPDATE = Statement(_table.update({_table.scopes: arg("scopes"), _table.updated_at: arg("updated_at")}).where(_THIS))
_DELETE = Statement(_table.delete().where(_TO_CLIENT))
_DELETE_IN = Statement(
    _table.delete().where((_table.user_id == arg("user_id")) & (_table.tenant_id == arg("tenant_id")))
)
_FORGET = Statement(_table.delete().where(_table.tenant_id == arg("tenant_id")))


def get(unit: Unit, user_id: str, client_id: str, tenant_id: str) -> Consent | None:
    """What the user lets the client have in the tenant, if anything."""
    return _rows.one(unit.execute(_GET, user_id=user_id, client_id=client_id, tenant_id=tenant_id))


def of_user(unit: Unit, user_id: str) -> list[Consent]:
    """What the user lets all clients have, ordered by client; the oldest first of those to one."""
    return _rows.all(unit.execute(_OF_USER, user_id=user_id))


def put(unit: Unit, consent: Consent) -> None:
    """Write ``consent`` in the place of what there was."""
    values = _rows.values(consent)
    changed = ("user_id", "client_id", "tenant_id", "scopes", "updated_at")
    written = unit.execute(_UPDATE, **{name: values[name] for name in changed})
    if not written.rowcount:
        with suppress(peewee.IntegrityError):  # the same person said so in another window just now
            unit.execute(_rows.insert, **values)


def delete(unit: Unit, user_id: str, client_id: str) -> bool:
    """Take back what the user lets the client have, in all tenants; False when there is nothing."""
    return unit.execute(_DELETE, user_id=user_id, client_id=client_id).rowcount > 0


def delete_in(unit: Unit, user_id: str, tenant_id: str) -> None:
    """Take back what the user lets clients have in the tenant."""
    unit.execute(_DELETE_IN, user_id=user_id, tenant_id=tenant_id)


def forget(unit: Unit, tenant_id: str) -> None:
    """Delete what anybody lets clients have in the tenant."""
    unit.execute(_FORGET, tenant_id=tenant_id)
