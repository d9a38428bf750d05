"""Links that work once: for the first administrator, for a new password."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "purpose": "word",
        "user_id": "id",
        "id": "id",
        "secret_sha": "sha",
        "created_at": "int",
        "expires_at": "int",
        "used_at": "int",
    }
    create_table(db, "one_time_link", columns, primary_key=("purpose", "user_id"), unique=[("id",)])
