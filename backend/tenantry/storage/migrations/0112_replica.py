"""How far each replica has read the change log."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    create_table(db, "replica", {"id": "word", "seq": "int", "at": "int"}, primary_key=("id",))
