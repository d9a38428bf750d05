"""Refresh tokens."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "id": "id",
        "family_id": "id",
        "secret_sha": "sha",
        "created_at": "int",
        "used_at": "int",
        "successor": "json",
    }
    create_table(db, "refresh_token", columns, primary_key=("id",), indexes=[("family_id",)])
