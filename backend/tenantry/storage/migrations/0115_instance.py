"""What tells this database from every other: one row, which stays."""

from tenantry.model import ids
from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    create_table(db, "instance", {"id": "id"}, primary_key=("id",))
    if not db.run("SELECT 1 FROM instance").fetchone():
        db.run(f"INSERT INTO instance (id) VALUES ('{ids.uuid7()}')")  # noqa: S608 - our own
