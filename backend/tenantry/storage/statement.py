"""Queries that are built once, compiled once per dialect and run with named values."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import peewee

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: in one INSERT: SQLite takes 32766 values, and a table has 30 columns at most
_ROWS = 100


@dataclass(frozen=True, slots=True)
class _Name:
    """Stands where a value will stand, and ends up in the compiled parameter list."""

    name: str


def arg(name: str) -> peewee.Value:
    """The place of the value ``name`` in a :class:`Statement`."""
    return peewee.Value(_Name(name), converter=False)


class Statement:
    """A query whose values are :func:`arg` places; compiling costs 75 us, so it happens once per dialect.

    Args:
        query: any peewee query; a constant in it stays a constant.
    """

    __slots__ = ("_compiled", "query")

    def __init__(self, query: peewee.Query) -> None:
        self.query = query
        self._compiled: dict[type[peewee.Database], tuple[str, tuple[Any, ...]]] = {}

    def bind(self, database: peewee.Database, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """SQL text and parameters for ``database``.

        Raises:
            KeyError: a place has no value.
        """
        dialect = type(database)
        compiled = self._compiled.get(dialect)
        if compiled is None:
            sql, places = database.get_sql_context().sql(self.query).query()
            compiled = self._compiled[dialect] = sql, tuple(places)
        sql, places = compiled
        return sql, [values[place.name] if type(place) is _Name else place for place in places]


def insert_rows(
    model: type[peewee.Model], rows: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Statement, dict[str, Any]]]:
    """The INSERTs for all ``rows`` of like columns, each compiled once per number of its rows, and their values."""
    for first in range(0, len(rows), _ROWS):
        some = rows[first : first + _ROWS]
        values = {f"{name}_{index}": value for index, row in enumerate(some) for name, value in row.items()}
        yield _insert(model, tuple(some[0]), len(some)), values


@functools.lru_cache(maxsize=256)
def _insert(model: type[peewee.Model], names: tuple[str, ...], count: int) -> Statement:
    return Statement(model.insert_many([{name: arg(f"{name}_{index}") for name in names} for index in range(count)]))
