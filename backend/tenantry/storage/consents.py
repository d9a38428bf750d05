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
_THIS = (_table.user_id == arg("user_id")) & (_table.client_id == arg("client_id"))

_GET = Statement(_rows.select.where(_THIS))
_OF_USER = Statement(_rows.select.where(_table.user_id == arg("user_id")).order_by(_table.client_id))
_UPDATE = Statement(_table.update({_table.scopes: arg("scopes"), _table.updated_at: arg("updated_at")}).where(_THIS))
_DELETE = Statement(_table.delete().where(_THIS))


def get(unit: Unit, user_id: str, client_id: str) -> Consent | None:
    """What the user lets the client have, if anything."""
    return _rows.one(unit.execute(_GET, user_id=user_id, client_id=client_id))


def of_user(unit: Unit, user_id: str) -> list[Consent]:
    """What the user lets all clients have."""
    return _rows.all(unit.execute(_OF_USER, user_id=user_id))


def put(unit: Unit, consent: Consent) -> None:
    """Write ``consent`` in the place of what there was."""
    values = _rows.values(consent)
    written = unit.execute(_UPDATE, **{name: values[name] for name in ("user_id", "client_id", "scopes", "updated_at")})
    if not written.rowcount:
        with suppress(peewee.IntegrityError):  # the same person said so in another window just now
            unit.execute(_rows.insert, **values)


def delete(unit: Unit, user_id: str, client_id: str) -> bool:
    """Take it back; False when there is none."""
    return unit.execute(_DELETE, user_id=user_id, client_id=client_id).rowcount == 1
