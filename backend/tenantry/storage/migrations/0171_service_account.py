"""Programs with rights of their own."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "id": "id",
        "tenant_id": "id",
        "name": "word",
        "role": "word",
        "scopes": "json",
        "status": "word",
        "cluster": "word",
        "subject": "value",
        "created_by": "text",
        "created_at": "int",
        "updated_at": "int",
    }
    create_table(db, "service_account", columns, primary_key=("id",), unique=[("tenant_id", "name")])
