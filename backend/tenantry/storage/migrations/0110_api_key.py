"""API keys."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "id": "id",
        "name": "text",
        "secret_sha": "sha",
        "scopes": "json",
        "owner": "text",
        "tenant_id": "id",
        "created_by": "text",
        "created_at": "int",
        "expires_at": "int",
        "revoked_at": "int",
        "last_used_at": "int",
        "allowed_cidrs": "json",
    }
    create_table(db, "api_key", columns, primary_key=("id",), indexes=[("tenant_id", "id")])
