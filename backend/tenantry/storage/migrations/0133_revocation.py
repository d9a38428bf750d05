"""Tokens and grants that were taken back."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "id": "id",
        "expires_at": "int",
    }
    create_table(db, "revocation", columns, primary_key=("id",), indexes=[("expires_at",)])
