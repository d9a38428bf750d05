"""Who users are at identity providers."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "id": "sha",
        "issuer": "text",
        "subject": "text",
        "user_id": "id",
        "email": "text",
        "created_at": "int",
        "last_used_at": "int",
    }
    create_table(db, "identity", columns, primary_key=("id",), indexes=[("user_id", "created_at")])
