"""Who did what."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "id": "id",
        "at": "int",
        "actor": "text",
        "action": "word",
        "kind": "word",
        "namespace": "namespace",
        "name": "name",
        "tenant_id": "id",
        "result": "word",
        "seq": "int",
        "request_id": "name",
        "ip": "word",
        "message": "text",
        "diff": "json",
    }
    create_table(
        db,
        "audit_event",
        columns,
        primary_key=("id",),
        indexes=[("tenant_id", "id"), ("kind", "namespace", "name", "id")],
    )
