"""Messages to webhooks: those to be sent, and the last of those that were."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "id": "id",
        "webhook_id": "id",
        "event_id": "word",
        "type": "word",
        "body": "json",
        "state": "word",
        "tries": "int",
        "next_at": "int",
        "created_at": "int",
        "tried_at": "int",
        "milliseconds": "int",
        "status": "int",
        "error": "text",
        "excerpt": "text",
    }
    create_table(
        db,
        "webhook_delivery",
        columns,
        primary_key=("id",),
        unique=[("webhook_id", "event_id")],
        indexes=[("state", "next_at"), ("webhook_id", "id")],
    )
