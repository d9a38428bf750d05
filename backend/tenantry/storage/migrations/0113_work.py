"""Objects that must be looked at again because of another object."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {"kind": "word", "key": "name", "version": "int", "added_at": "int"}
    create_table(db, "work", columns, primary_key=("kind", "key"), indexes=[("kind", "added_at", "key")])
