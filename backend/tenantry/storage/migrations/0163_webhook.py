"""Who is told of what, by HTTP."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "id": "id",
        "tenant_id": "id",
        "url": "text",
        "description": "text",
        "events": "text",
        "secret": "value",
        "old_secret": "value",
        "old_secret_until": "int",
        "state": "word",
        "reason": "text",
        "since": "int",
        "failing_since": "int",
        "created_by": "text",
        "created_at": "int",
        "updated_at": "int",
    }
    create_table(db, "webhook", columns, primary_key=("id",), indexes=[("tenant_id", "id")])
