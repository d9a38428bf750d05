"""Which resources a list wants, as SQL: paging bounds, label selectors and field selectors.

``resource_label`` is keyed by (kind, key, value, namespace, name), so a selector with an ``=`` reads its page in order
from that key, however many objects match. ``in`` and a bare key sort what they match. Other requirements are looked
up for each candidate by (uid, key, value), if they are few and short: a statement must neither be nested deeper than a
parser goes nor cost more than to look at the objects. The caller of :func:`split` does that with the rest.
"""

from __future__ import annotations

from typing import Any, Literal

import peewee

from tenantry.model.selectors import Operator, Requirement, Selector
from tenantry.storage import tables
from tenantry.storage.statement import arg

_table, _label = tables.Resource, tables.ResourceLabel

#: ``within`` one namespace beyond a name, ``beyond`` a namespace, or ``all``.
Bound = Literal["within", "beyond", "all"]

_ONE_OF = (Operator.EQUALS, Operator.DOUBLE_EQUALS, Operator.IN)
_NONE_OF = (Operator.NOT_EQUALS, Operator.NOT_IN)
_NUMERIC = (Operator.GREATER_THAN, Operator.LESS_THAN)  # the key's presence is checked here, the number by the caller
_DRIVERS = (Operator.EQUALS, Operator.DOUBLE_EQUALS, Operator.IN, Operator.EXISTS, *_NUMERIC)  # best first
#: requirements of a selector that are looked up, and values of one of them; MySQL 9.7 makes a join of each lookup and
#: thinks for 15 s about the order of 16
MOST_LOOKUPS = 6
_MOST_VALUES = 16
_FIELDS = {"metadata.name": "name", "metadata.namespace": "namespace"}


def bounds(namespace: str | None, after: tuple[str, str] | None) -> list[tuple[Bound, dict[str, str]]]:
    """The index ranges that hold what comes after ``after``, in order, with the values of their places.

    One range per statement: a comparison of pairs uses the index on SQLite only, an OR of two on MySQL only.
    """
    if namespace is not None:
        return [("within", {"namespace": namespace, "after": after[1] if after else ""})]
    if after is None:
        return [("all", {})]
    return [("within", {"namespace": after[0], "after": after[1]}), ("beyond", {"namespace": after[0]})]


def split(selector: Selector) -> tuple[Selector, Selector]:
    """What :func:`select` is to look up of ``selector``, and what is left to check on the objects that it finds."""
    ranked = sorted(selector.requirements, key=_rank)
    drives = ranked[:1] if ranked and ranked[0].operator in _DRIVERS else []
    short = [term for term in ranked[len(drives) :] if len(term.values) <= _MOST_VALUES]
    looked_up = [*drives, *short][:MOST_LOOKUPS]
    rest = [term for term in ranked if term not in looked_up or term.operator in _NUMERIC]
    return Selector(tuple(looked_up)), Selector(tuple(rest))


def select(columns: tuple[peewee.Field, ...], bound: Bound, labels: Selector, fields: Selector) -> peewee.Query:
    """The page of ``bound`` that the selectors let through, in the order of (namespace, name).

    Its places are ``kind``, ``limit`` and those of :func:`bounds`.
    """
    drivers = (requirement for requirement in labels.requirements if requirement.operator in _DRIVERS)
    driver = min(drivers, key=_rank, default=None)
    source = _table if driver is None else _label
    conditions: list[peewee.Node] = [
        source.kind == arg("kind"),
        *_bound(source, bound),
        *(_field(source, term) for term in fields.requirements),
    ]
    conditions += [_lookup(source, other) for other in labels.requirements if other is not driver]
    if driver is None:
        return _table.select(*columns).where(*conditions).order_by(_table.namespace, _table.name).limit(arg("limit"))
    # keys first, then the rows: a sort must not carry whole documents
    keys = (
        _label.select(_label.uid, _label.namespace, _label.name)
        .where(*conditions, *_holds(_label, driver))
        .order_by(_label.namespace, _label.name)
        .limit(arg("limit"))
        .alias("keys")
    )
    return _table.select(*columns).join(keys, on=(_table.uid == keys.c.uid)).order_by(keys.c.namespace, keys.c.name)


def _rank(requirement: Requirement) -> int:
    operator = requirement.operator
    return _DRIVERS.index(operator) if operator in _DRIVERS else len(_DRIVERS)


def _bound(source: Any, bound: Bound) -> list[peewee.Node]:
    if bound == "within":
        return [source.namespace == arg("namespace"), source.name > arg("after")]
    return [source.namespace > arg("namespace")] if bound == "beyond" else []


def _field(source: Any, term: Requirement) -> Any:
    column = getattr(source, _FIELDS[term.key])
    return column.in_(term.values) if term.operator in _ONE_OF else column.not_in(term.values)


def _lookup(source: Any, requirement: Requirement) -> peewee.Node:
    other = _label.alias()
    subquery = other.select(peewee.SQL("1")).where(other.uid == source.uid, *_holds(other, requirement))
    absent = requirement.operator in (*_NONE_OF, Operator.DOES_NOT_EXIST)
    return ~peewee.fn.EXISTS(subquery) if absent else peewee.fn.EXISTS(subquery)


def _holds(label: Any, requirement: Requirement) -> list[peewee.Node]:
    conditions: list[peewee.Node] = [label.key == requirement.key]
    if requirement.operator in (*_ONE_OF, *_NONE_OF):
        values = requirement.values
        conditions.append(label.value == values[0] if len(values) == 1 else label.value.in_(values))
    return conditions
