"""A frozen type of the model and the table whose columns are its fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import orjson
import peewee

from tenantry.storage.statement import Statement, arg

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from tenantry.storage.connection import Cursor

T = TypeVar("T", bound="DataclassInstance")


def read_list(text: str) -> tuple[Any, ...]:
    """The items of a list that is stored as JSON."""
    return tuple(orjson.loads(text))


class Rows(Generic[T]):
    """Rows of ``table`` and objects of ``shape``, in both directions.

    A query gives the short columns as one JSON array and the texts beside it: PyMySQL reads 4 us of description for
    each column of each result, which is more than all the rest that a small read costs.

    Args:
        shape: a dataclass; a tuple among its fields is stored as a JSON array.
        table: it has a column for every field, and may have more.
        read: field -> what makes its value of a column's, where they differ.
    """

    def __init__(
        self, shape: type[T], table: type[peewee.Model], read: Mapping[str, Callable[[Any], Any]] | None = None
    ) -> None:
        self._shape = shape
        self._read = dict(read or {})
        fields = dataclasses.fields(shape)
        self.names = tuple(field.name for field in fields)
        self._lists = [field.name for field in fields if str(field.type).startswith("tuple[")]
        self._get = attrgetter(*self.names)
        columns = {name: getattr(table, name) for name in self.names}
        texts = [name for name, column in columns.items() if isinstance(column, peewee.TextField)]
        self._short = [name for name in self.names if name not in texts]
        self._texts = texts
        self.columns = (
            peewee.fn.JSON_ARRAY(*(columns[name] for name in self._short)),
            *(columns[name] for name in texts),
        )
        self.select = table.select(*self.columns)
        self.insert = Statement(table.insert({name: arg(name) for name in self.names}))

    def values(self, item: T) -> dict[str, Any]:
        """The columns of ``item``."""
        row = dict(zip(self.names, self._get(item), strict=True))
        for name in self._lists:
            row[name] = orjson.dumps(row[name]).decode()
        return row

    def one(self, cursor: Cursor) -> T | None:
        """The object of the first row, if there is one."""
        row = cursor.fetchone()
        return None if row is None else self.item(row)

    def all(self, cursor: Cursor) -> list[T]:
        """The objects of all rows."""
        return [self.item(row) for row in cursor.fetchall()]

    def item(self, row: Sequence[Any]) -> T:
        """The object of what a query gave for ``columns``."""
        short, *texts = row
        columns = dict(zip(self._short, orjson.loads(short), strict=True))
        columns.update(zip(self._texts, texts, strict=True))
        for name, read in self._read.items():
            columns[name] = read(columns[name])
        return self._shape(**columns)
