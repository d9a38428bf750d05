"""Authorization codes."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "id": "id",
        "secret_sha": "sha",
        "family_id": "id",
        "client_id": "word",
        "user_id": "id",
        "session_id": "id",
        "tenant_id": "id",
        "redirect_uri": "value",
        "scopes": "json",
        "challenge": "text",
        "nonce": "json",
        "amr": "text",
        "auth_time": "int",
        "auth_version": "int",
        "created_at": "int",
        "expires_at": "int",
        "redeemed_at": "int",
    }
    create_table(db, "auth_code", columns, primary_key=("id",), indexes=[("expires_at",)])
