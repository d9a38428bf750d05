"""Secrets of OAuth clients."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "id": "id",
        "client_id": "word",
        "secret_sha": "sha",
        "created_at": "int",
        "expires_at": "int",
    }
    create_table(db, "client_secret", columns, primary_key=("id",), indexes=[("client_id", "id")])
