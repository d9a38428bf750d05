"""Identity providers: their rows, whose secrets are encrypted."""

from __future__ import annotations

import peewee

from tenantry.model.providers import Provider
from tenantry.storage import tables
from tenantry.storage.mapping import Rows, read_list
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_table = tables.IdentityProvider
_rows = Rows(
    Provider, _table, read={"scopes": read_list, "email_domains": read_list, "auto_provision": bool}
)  # fmt: skip

_GET = Statement(_rows.select.where(_table.name == arg("name")))
_ALL = Statement(_rows.select.order_by(_table.name))
_UPDATE = Statement(
    _table.update({getattr(_table, name): arg(name) for name in _rows.names if name != "name"}).where(
        (_table.name == arg("name")) & (_table.updated_at == arg("before"))
    )
)
_DELETE = Statement(_table.delete().where(_table.name == arg("name")))


def insert(unit: Unit, provider: Provider) -> bool:
    """Add ``provider``; False when the name is taken."""
    try:
        unit.execute(_rows.insert, **_rows.values(provider))
    except peewee.IntegrityError:
        return False
    return True


def get(unit: Unit, name: str) -> Provider | None:
    """The provider of that name."""
    return _rows.one(unit.execute(_GET, name=name))


def all_of_them(unit: Unit) -> list[Provider]:
    """Every provider, by name; there are few."""
    return _rows.all(unit.execute(_ALL))


def update(unit: Unit, provider: Provider, before: Provider) -> bool:
    """Write ``provider`` over ``before``, with a later ``updated_at``; False when another was faster."""
    return unit.execute(_UPDATE, before=before.updated_at, **_rows.values(provider)).rowcount == 1


def delete(unit: Unit, name: str) -> bool:
    """Take the provider away; False when there is none."""
    return unit.execute(_DELETE, name=name).rowcount == 1
