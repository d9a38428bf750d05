"""What people let clients have."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "user_id": "id",
        "client_id": "word",
        "scopes": "json",
        "created_at": "int",
        "updated_at": "int",
    }
    create_table(db, "consent", columns, primary_key=("user_id", "client_id"))
