"""What tells this database from every other."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    create_table(db, "instance", {"id": "id"}, primary_key=("id",))
