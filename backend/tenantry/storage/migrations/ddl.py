"""Tables and columns for SQLite and for MySQL's dialects from one declaration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import peewee

from tenantry.storage.connection import Connection

# Label keys and values alone are ASCII: they share a key with a name, which only so is short enough for InnoDB, and
# selectors are checked before they get here. Anything else may be compared with what a client made up, and MySQL
# refuses to compare an ASCII column with text beyond it (errors 1267 and 3854).
_ASCII = "CHARACTER SET ascii COLLATE ascii_bin"
_UTF8 = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"

#: What a column may be, and how MySQL writes it. Lengths are those of the Kubernetes names that they hold.
_MYSQL = {
    "id": f"CHAR(36) {_UTF8}",
    "sha": f"CHAR(64) {_UTF8}",
    "word": f"VARCHAR(63) {_UTF8}",
    "namespace": f"VARCHAR(127) {_UTF8}",  # <cluster>.<namespace>
    "name": f"VARCHAR(253) {_UTF8}",
    "label_key": f"VARCHAR(317) {_ASCII}",  # prefix, slash, name
    "label_value": f"VARCHAR(63) {_ASCII}",
    "value": f"VARCHAR(512) {_UTF8}",
    "text": f"VARCHAR(1024) {_UTF8}",
    "json": f"LONGTEXT {_UTF8}",
    "int": "BIGINT",
}
_SQLITE = dict.fromkeys(_MYSQL, "TEXT") | {"int": "INTEGER"}


def create_table(  # noqa: PLR0913 - one keyword per part of the statement
    database: Connection,
    name: str,
    columns: Mapping[str, str],
    *,
    primary_key: Sequence[str],
    unique: Iterable[Sequence[str]] = (),
    indexes: Iterable[Sequence[str]] = (),
) -> None:
    """Create the table ``name`` unless it exists; no column takes NULL.

    Args:
        database: of the thread.
        name: the table's.
        columns: name -> a kind of column: one of ``_MYSQL``.
        primary_key: its columns.
        unique: the columns of each further unique key.
        indexes: the columns of each index.
    """
    write = _write_sqlite if isinstance(database, peewee.SqliteDatabase) else _write_mysql
    keys = [("UNIQUE ", key) for key in unique] + [("", key) for key in indexes]
    for sql in write(name, columns, primary_key, keys):
        database.run(sql)


def add_column(database: Connection, table: str, name: str, kind: str, *, default: str = "") -> None:
    """Add the column ``name`` to ``table`` unless it is there.

    Args:
        database: of the thread.
        table: the table's name.
        name: the column's.
        kind: one of ``_MYSQL``, no long text: MySQL knows no plain default of one.
        default: what it holds in the rows that are there, and in those that servers of the release before write.
    """
    if name in {column.name for column in database.get_columns(table)}:
        return
    types = _SQLITE if isinstance(database, peewee.SqliteDatabase) else _MYSQL
    database.run(f"ALTER TABLE {table} ADD COLUMN {name} {types[kind]} NOT NULL DEFAULT '{default}'")


def add_index(database: Connection, table: str, columns: Sequence[str], *, unique: bool = False) -> None:
    """Index ``columns`` of ``table`` unless they are."""
    if list(columns) in [index.columns for index in database.get_indexes(table)]:
        return
    kind = "UNIQUE INDEX" if unique else "INDEX"
    database.run(f"CREATE {kind} {'_'.join([table, *columns])} ON {table} ({', '.join(columns)})")


def drop_index(database: Connection, table: str, columns: Sequence[str]) -> None:
    """Drop the index of just these ``columns`` of ``table``, if there is one."""
    for index in database.get_indexes(table):
        if index.columns == list(columns):
            where = "" if isinstance(database, peewee.SqliteDatabase) else f" ON {table}"
            database.run(f"DROP INDEX {index.name}{where}")


def _write_sqlite(
    table: str, columns: Mapping[str, str], primary_key: Sequence[str], keys: Iterable[tuple[str, Sequence[str]]]
) -> Iterable[str]:
    types = [f'"{name}" {_SQLITE[kind]} NOT NULL' for name, kind in columns.items()]
    body = ", ".join([*types, f"PRIMARY KEY ({_names(primary_key)})"])
    # rows with documents are long: those stay out of the key's tree
    options = "STRICT" if "json" in columns.values() else "STRICT, WITHOUT ROWID"
    yield f'CREATE TABLE IF NOT EXISTS "{table}" ({body}) {options}'
    for unique, key in keys:
        index = "_".join([table, *key])
        yield f'CREATE {unique}INDEX IF NOT EXISTS "{index}" ON "{table}" ({_names(key)})'


def _write_mysql(
    table: str, columns: Mapping[str, str], primary_key: Sequence[str], keys: Iterable[tuple[str, Sequence[str]]]
) -> Iterable[str]:
    types = [f'"{name}" {_MYSQL[kind]} NOT NULL' for name, kind in columns.items()]
    # an index of its own would be a second statement, and not every dialect knows IF NOT EXISTS there
    indexes = [f"{unique}KEY {_names(['_'.join(key)])} ({_names(key)})" for unique, key in keys]
    body = ", ".join([*types, f"PRIMARY KEY ({_names(primary_key)})", *indexes])
    sql = f'CREATE TABLE IF NOT EXISTS "{table}" ({body}) ENGINE=InnoDB DEFAULT {_UTF8}'
    yield sql.replace('"', "`")


def _names(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)
