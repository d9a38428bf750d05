"""How often it was tried to sign in."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {"key": "sha", "count": "int", "ends_at": "int"}
    create_table(db, "auth_throttle", columns, primary_key=("key",), indexes=[("ends_at",)])
