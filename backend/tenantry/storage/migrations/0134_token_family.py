"""What people have granted to clients."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "id": "id",
        "client_id": "word",
        "user_id": "id",
        "session_id": "id",
        "tenant_id": "id",
        "scopes": "json",
        "amr": "text",
        "auth_time": "int",
        "auth_version": "int",
        "created_at": "int",
        "expires_at": "int",
        "revoked_at": "int",
    }
    create_table(db, "token_family", columns, primary_key=("id",), indexes=[("user_id", "client_id"), ("expires_at",)])
