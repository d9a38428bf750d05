"""The keys that sign tokens."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "id": "id",
        "alg": "word",
        "private": "json",
        "created_at": "int",
        "active_from": "int",
    }
    create_table(db, "signing_key", columns, primary_key=("id",))
