"""Browsers that are signed in."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "id": "id",
        "secret_sha": "sha",
        "user_id": "id",
        "auth_version": "int",
        "amr": "text",
        "auth_time": "int",
        "tenant_id": "id",
        "created_at": "int",
        "last_seen_at": "int",
        "revoked_at": "int",
        "ip": "word",
        "user_agent": "text",
    }
    create_table(db, "session", columns, primary_key=("id",), indexes=[("user_id", "id")])
