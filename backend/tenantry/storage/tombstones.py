"""Tombstones: what deleted Tenants leave, so that their names stay taken and they can be brought back."""

from __future__ import annotations

import peewee

from tenantry.model.errors import Code, TenantryError
from tenantry.model.resource import Tombstone
from tenantry.storage import tables
from tenantry.storage.mapping import Rows
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_table = tables.Tombstone
_rows = Rows(Tombstone, _table)

_GET = Statement(_rows.select.where(_table.slug == arg("slug")))
_REMOVE = Statement(_table.delete().where(_table.slug == arg("slug")))
_DUE = Statement(
    _rows.select.where((_table.purge_at > 0) & (_table.purge_at <= arg("at")))
    .order_by(_table.purge_at)
    .limit(arg("limit"))
)
_STRIP = Statement(
    _table.update({_table.last_doc: "{}", _table.purge_at: 0}).where(
        (_table.slug == arg("slug")) & (_table.purge_at > 0)
    )
)


def put(unit: Unit, tombstone: Tombstone) -> None:
    """Leave ``tombstone``.

    Raises:
        TenantryError: ``NAME_TOMBSTONED``, there is one of that name.
    """
    try:
        unit.execute(_rows.insert, **_rows.values(tombstone))
    except peewee.IntegrityError as error:
        raise TenantryError(
            Code.NAME_TOMBSTONED, f'the name "{tombstone.slug}" has a tombstone', kind="Tenant", name=tombstone.slug
        ) from error


def get(unit: Unit, slug: str) -> Tombstone | None:
    """The tombstone of that name, if there is one."""
    return _rows.one(unit.execute(_GET, slug=slug))


def remove(unit: Unit, slug: str) -> bool:
    """Free the name, for an undelete or by an administrator; whether it had a tombstone."""
    return unit.execute(_REMOVE, slug=slug).rowcount == 1


def find_due(unit: Unit, at: int, limit: int) -> list[Tombstone]:
    """At most ``limit`` tombstones whose ``purge_at`` is not after ``at``, and which are not purged."""
    return _rows.all(unit.execute(_DUE, at=at, limit=limit))


def purge(unit: Unit, slug: str) -> bool:
    """Forget the document and keep the name taken (``purge_at`` becomes 0); whether there was something to forget."""
    return unit.execute(_STRIP, slug=slug).rowcount == 1
