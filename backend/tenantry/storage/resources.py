"""Resources: rows to :class:`~tenantry.model.resource.Resource` and back.

Whoever changes a resource ends the unit with :func:`tenantry.storage.changes.commit`; who changes several does so in
the order of their uids, so that two units never wait for each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, partial, reduce
from operator import and_, or_

import peewee

from tenantry.model.errors import Code, TenantryError
from tenantry.model.resource import Key, Resource
from tenantry.model.selectors import EVERYTHING, Selector
from tenantry.storage import selection, tables
from tenantry.storage.mapping import Rows
from tenantry.storage.statement import Statement, arg, insert_rows
from tenantry.storage.unit import Unit

_table, _label = tables.Resource, tables.ResourceLabel
#: objects read at a time at least, when a selector is checked on them
_CANDIDATES = 100
#: resources remembered for :func:`known`
_REMEMBERED = 256
#: names looked up by one statement; SQLite's parser refuses a hundred
_AT_ONCE = 32
_rows = Rows(Resource, _table)

_KEY = ("kind", "namespace", "name")
_IS_CURRENT = (_table.uid == arg("uid")) & (_table.seq == arg("expected_seq"))
_WRITABLE = tuple(name for name in _rows.names if name not in {"kind", "namespace", "name", "uid", "seq", "created_at"})

_GET_BY_UID = Statement(_rows.select.where(_table.uid == arg("uid")))
_TENANT_NAME = Statement(
    _table.select(_table.name).where((_table.kind == "Tenant") & (_table.tenant_id == arg("tenant_id")))
)
_TENANT = Statement(_rows.select.where((_table.kind == "Tenant") & (_table.tenant_id == arg("tenant_id"))))
# seq = 0 until changes.commit: MySQL counts changed rows, and so this one always changes
# a generation alone may be given twice: to what was rolled back, or is gone with an older state of the database
_STILL = ("uid", "generation", "updated_at")
_IS_STILL = Statement(
    _table.select(_table.generation).where(reduce(and_, (getattr(_table, name) == arg(name) for name in _STILL)))
)
_UPDATE = Statement(_table.update({name: arg(name) for name in _WRITABLE} | {"seq": 0}).where(_IS_CURRENT))
_DELETE = Statement(_table.delete().where(_IS_CURRENT))
_READ_LABELS = Statement(_label.select(_label.key, _label.value).where(_label.uid == arg("uid")))
_DELETE_LABELS = Statement(_label.delete().where(_label.uid == arg("uid")))
_DELETE_LABEL = Statement(_label.delete().where((_label.uid == arg("uid")) & (_label.key == arg("key"))))
_PAGES = {
    bound: Statement(selection.select(_rows.columns, bound, EVERYTHING, EVERYTHING))
    for bound in ("within", "beyond", "all")
}
_COUNT = Statement(_table.select(peewee.fn.COUNT(peewee.SQL("*"))).where(_table.kind == arg("kind")))
_COUNT_BY_PLAN = Statement(
    _table.select(peewee.fn.COUNT(peewee.SQL("*"))).where((_table.kind == arg("kind")) & (_table.plan == arg("plan")))
)
_NAMES_BY_PLAN = Statement(
    _table.select(_table.name)
    .where((_table.kind == arg("kind")) & (_table.plan == arg("plan")))
    .order_by(_table.name)
    .limit(arg("limit"))
)


def get(unit: Unit, kind: str, namespace: str, name: str) -> Resource | None:
    """The living resource of that name, if there is one."""
    key = kind, namespace, name
    return find(unit, [key]).get(key)


def known(unit: Unit, kind: str, namespace: str, name: str) -> Resource | None:
    """As :func:`get`, for what many writes look at and few change; only its status may be older.

    A unit that writes checks what is remembered, and does not read it: with the statement that follows, or at the end.
    One that only reads would not be computed again, and reads it.

    Raises, then:
        TenantryError: ``CONFLICT``, it has changed since, and is read the next time.
    """
    key, memory = (kind, namespace, name), unit.database.known
    found: Resource | None = memory.get(key) if unit.write else None
    if found is not None:
        still = {name: getattr(found, name) for name in _STILL}
        unit.later(_IS_STILL, partial(_forgotten, memory, found), **still)
    elif (found := get(unit, *key)) is not None:
        if len(memory) >= _REMEMBERED:
            memory.clear()
        memory[key] = found
    return found


def _forgotten(memory: dict[Key, Resource], found: Resource) -> TenantryError:
    memory.clear()  # another process writes: who looks at many is to lose its time once, and not for each
    return _changed(found)


def find(unit: Unit, keys: Sequence[Key]) -> dict[Key, Resource]:
    """Those of the resources ``keys`` that live, :data:`_AT_ONCE` read by each statement."""
    found: list[Resource] = []
    for start in range(0, len(keys), _AT_ONCE):
        part = keys[start : start + _AT_ONCE]
        values = {
            f"{name}_{index}": value for index, key in enumerate(part) for name, value in zip(_KEY, key, strict=True)
        }
        found += _rows.all(unit.execute(_find(len(part)), **values))
    return {one.key: one for one in found}  # of what MySQL finds besides, passing over spaces at the end, nobody asks


@cache
def _find(count: int) -> Statement:
    wanted = [
        reduce(and_, (getattr(_table, name) == arg(f"{name}_{index}") for name in _KEY)) for index in range(count)
    ]
    return Statement(_rows.select.where(reduce(or_, wanted)))


def get_by_uid(unit: Unit, uid: str) -> Resource | None:
    """The living resource of that uid, if there is one."""
    return _rows.one(unit.execute(_GET_BY_UID, uid=uid))


def tenant_name(unit: Unit, tenant_id: str) -> str | None:
    """The name of the living Tenant with that identity."""
    row = unit.execute(_TENANT_NAME, tenant_id=tenant_id).fetchone()
    return str(row[0]) if row else None


def tenant(unit: Unit, tenant_id: str) -> Resource | None:
    """The living Tenant with that identity."""
    return _rows.one(unit.execute(_TENANT, tenant_id=tenant_id))


def page(  # noqa: PLR0913 - one keyword per part of a list request
    unit: Unit,
    kind: str,
    *,
    namespace: str | None = None,
    labels: Selector = EVERYTHING,
    fields: Selector = EVERYTHING,
    after: tuple[str, str] | None = None,
    limit: int,
) -> list[Resource]:
    """At most ``limit`` resources of ``kind`` in the order of (namespace, name).

    Args:
        unit: the unit.
        kind: their kind.
        namespace: only those in it; None for all.
        labels: only those whose labels it matches.
        fields: only those that match by ``metadata.name`` and ``metadata.namespace``, with ``=``, ``!=``, ``in`` or
            ``notin``.
        after: only those beyond this (namespace, name), the last of the page before.
        limit: fewer than these means that no more follow.
    """
    labels, other_labels = selection.split(labels)
    fields, other_fields = selection.split(fields)
    if not other_labels.requirements and not other_fields.requirements:
        return _look_up(unit, kind, namespace, labels, fields, after, limit)
    matching: list[Resource] = []
    size = max(limit, _CANDIDATES)
    while True:
        found = _look_up(unit, kind, namespace, labels, fields, after, size)
        matching += [one for one in found if _matches(one, other_labels, other_fields)]
        if len(found) < size or len(matching) >= limit:
            return matching[:limit]
        after = found[-1].namespace, found[-1].name


def _look_up(  # noqa: PLR0913, PLR0917 - as page
    unit: Unit,
    kind: str,
    namespace: str | None,
    labels: Selector,
    fields: Selector,
    after: tuple[str, str] | None,
    limit: int,
) -> list[Resource]:
    found: list[Resource] = []
    for bound, values in selection.bounds(namespace, after):
        query = _PAGES[bound]
        if labels.requirements or fields.requirements:
            query = Statement(selection.select(_rows.columns, bound, labels, fields))
        found += _rows.all(unit.execute(query, kind=kind, limit=limit - len(found), **values))
        if len(found) == limit:
            break
    return found


def _matches(one: Resource, labels: Selector, fields: Selector) -> bool:
    names = {"metadata.name": one.name, "metadata.namespace": one.namespace}
    return fields.matches(names) and (not labels.requirements or labels.matches(one.labels()))


def count(unit: Unit, kind: str, *, plan: str | None = None) -> int:
    """How many resources of ``kind`` there are, or how many of them refer to ``plan``."""
    if plan is None:
        return int(unit.execute(_COUNT, kind=kind).fetchone()[0])
    return int(unit.execute(_COUNT_BY_PLAN, kind=kind, plan=plan).fetchone()[0])


def names(unit: Unit, kind: str, *, plan: str, limit: int) -> list[str]:
    """The names of the resources of ``kind`` that refer to ``plan``, in their order; at most ``limit``."""
    return [str(row[0]) for row in unit.execute(_NAMES_BY_PLAN, kind=kind, plan=plan, limit=limit).fetchall()]


def insert(unit: Unit, resource: Resource, labels: Mapping[str, str]) -> None:
    """Add ``resource`` with its ``labels``.

    Raises, then or with the next statement:
        TenantryError: ``ALREADY_EXISTS``, another one of that kind has the name.
    """
    unit.later(_rows.insert, partial(_exists, resource), **_rows.values(resource) | {"seq": 0})
    unit.mark_changed(resource.uid)
    _insert_labels(unit, resource, labels)


def update(unit: Unit, resource: Resource, expected_seq: int, labels: Mapping[str, str] | None = None) -> None:
    """Write ``resource`` over the row that has its uid, if that is still at ``expected_seq``.

    ``labels`` are all that it has now; None when they are what they were.

    Raises, then or with the next statement:
        TenantryError: ``CONFLICT``, it was changed or deleted meanwhile.
    """
    unit.database.known.pop(resource.key, None)
    values = _rows.values(resource) | {"expected_seq": expected_seq}
    unit.later(_UPDATE, partial(_changed, resource), **values)
    unit.mark_changed(resource.uid)
    if labels is None:
        return
    stored = dict(unit.execute(_READ_LABELS, uid=resource.uid).fetchall())
    for key, value in stored.items():
        if labels.get(key) != value:
            unit.later(_DELETE_LABEL, uid=resource.uid, key=key)
    _insert_labels(unit, resource, {key: value for key, value in labels.items() if stored.get(key) != value})


def delete(unit: Unit, resource: Resource, expected_seq: int) -> None:
    """Remove the row of ``resource`` and its labels, if it is still at ``expected_seq``.

    Raises, then or with the next statement:
        TenantryError: ``CONFLICT``, it was changed or deleted meanwhile.
    """
    unit.database.known.pop(resource.key, None)
    unit.later(_DELETE, partial(_changed, resource), uid=resource.uid, expected_seq=expected_seq)
    unit.mark_changed(resource.uid)
    unit.later(_DELETE_LABELS, uid=resource.uid)


def _insert_labels(unit: Unit, resource: Resource, labels: Mapping[str, str]) -> None:
    same = {"kind": resource.kind, "namespace": resource.namespace, "name": resource.name, "uid": resource.uid}
    for statement, values in insert_rows(
        _label, [{"key": key, "value": value, **same} for key, value in labels.items()]
    ):
        unit.later(statement, **values)


def _exists(resource: Resource) -> TenantryError:
    return TenantryError(
        Code.ALREADY_EXISTS,
        f'{resource.kind} "{resource.name}" already exists',
        kind=resource.kind,
        name=resource.name,
        raced=True,
    )


def _changed(resource: Resource) -> TenantryError:
    return TenantryError(
        Code.CONFLICT,
        f'{resource.kind} "{resource.name}" was changed meanwhile; read it again and repeat the change',
        kind=resource.kind,
        name=resource.name,
        raced=True,
    )
