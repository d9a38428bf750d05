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
_REMOVE = Statement(
    _table.delete().where(
        (_table.slug == arg("slug")) & (_table.deleted_at == arg("deleted_at")) & (_table.purge_at == arg("purge_at"))
    )
)
_KEEPS = Statement(_table.select(_table.slug).where(_table.tenant_id == arg("tenant_id")).limit(1))
_PAGE = Statement(_rows.select.where(_table.slug > arg("after")).order_by(_table.slug).limit(arg("limit")))
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


def keeps(unit: Unit, tenant_id: str) -> bool:
    """Whether a tombstone is of the tenant with that identity."""
    return unit.execute(_KEEPS, tenant_id=tenant_id).fetchone() is not None


def page(unit: Unit, *, after: str = "", limit: int) -> list[Tombstone]:
    """At most ``limit`` tombstones with names beyond ``after``, in their order."""
    return _rows.all(unit.execute(_PAGE, after=after, limit=limit))


def remove(unit: Unit, tombstone: Tombstone) -> bool:
    """Free the name, for an undelete or by an administrator; False when this tombstone is not there any more."""
    places = {"slug": tombstone.slug, "deleted_at": tombstone.deleted_at, "purge_at": tombstone.purge_at}
    return unit.execute(_REMOVE, **places).rowcount == 1


def find_due(unit: Unit, at: int, limit: int) -> list[Tombstone]:
    """At most ``limit`` tombstones whose ``purge_at`` is not after ``at``, and which are not purged."""
    return _rows.all(unit.execute(_DUE, at=at, limit=limit))


def purge(unit: Unit, slug: str) -> bool:
    """Forget the document and keep the name taken (``purge_at`` becomes 0); whether there was something to forget."""
    return unit.execute(_STRIP, slug=slug).rowcount == 1
