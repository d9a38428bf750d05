"""Revisions: published states of specs, numbered from 1 within (kind, namespace, name, tenant_id)."""

from __future__ import annotations

from functools import partial

import peewee

from tenantry.model.errors import Code, TenantryError
from tenantry.model.resource import Revision
from tenantry.storage import tables
from tenantry.storage.mapping import Rows
from tenantry.storage.statement import Statement, arg
from tenantry.storage.unit import Unit

_table = tables.Revision
_rows = Rows(Revision, _table)

_OF = (
    (_table.kind == arg("kind"))
    & (_table.namespace == arg("namespace"))
    & (_table.name == arg("name"))
    & (_table.tenant_id == arg("tenant_id"))
)
_MAX = peewee.fn.COALESCE(peewee.fn.MAX(_table.revision), 0)
_LATEST = Statement(_table.select(_MAX).where(_OF))
_APPEND = Statement(
    _table.insert_from(
        _table.select(*(_MAX + 1 if name == "revision" else arg(name) for name in _rows.names)).where(_OF),
        [getattr(_table, name) for name in _rows.names],
    )
)
_GET = Statement(_rows.select.where(_OF & (_table.revision == arg("revision"))))
_PAGE = Statement(
    _rows.select.where(_OF & (_table.revision < arg("before"))).order_by(_table.revision.desc()).limit(arg("limit"))
)
_PRUNE = Statement(_table.delete().where(_OF & (_table.revision <= arg("through"))))

_NEWEST = 2**63 - 1

#: (kind, namespace, name, tenant_id) of the resource whose revisions are meant.
Key = tuple[str, str, str, str]


def append(unit: Unit, revision: Revision) -> None:
    """Write ``revision``, whatever its number, as the one after :func:`latest`.

    Raises, then or with the next statement:
        TenantryError: ``CONFLICT``, an object of that name came and went at the same moment.
    """
    unit.later(_APPEND, partial(_raced, revision), **_rows.values(revision))


def _raced(revision: Revision) -> TenantryError:
    return TenantryError(
        Code.CONFLICT,
        f'another {revision.kind} "{revision.name}" came and went meanwhile; try again',
        kind=revision.kind,
        name=revision.name,
        raced=True,
    )


def latest(unit: Unit, key: Key) -> int:
    """The highest number in use, 0 for none."""
    return int(unit.execute(_LATEST, **_places(key)).fetchone()[0])


def get(unit: Unit, key: Key, revision: int) -> Revision | None:
    """One revision, if it was published and not pruned."""
    return _rows.one(unit.execute(_GET, **_places(key), revision=revision))


def page(unit: Unit, key: Key, *, before: int = _NEWEST, limit: int) -> list[Revision]:
    """At most ``limit`` revisions below ``before``, newest first."""
    return _rows.all(unit.execute(_PAGE, **_places(key), before=before, limit=limit))


def prune(unit: Unit, key: Key, keep: int) -> int:
    """Remove all but the newest ``keep`` and return how many went."""
    return unit.execute(_PRUNE, **_places(key), through=latest(unit, key) - keep).rowcount


def _places(key: Key) -> dict[str, str]:
    return dict(zip(("kind", "namespace", "name", "tenant_id"), key, strict=True))
