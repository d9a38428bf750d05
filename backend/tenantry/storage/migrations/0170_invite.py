"""Links that make members."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "id": "id",
        "secret_sha": "sha",
        "tenant_id": "id",
        "email": "value",
        "role": "word",
        "invited_by": "text",
        "inviter_id": "id",
        "created_at": "int",
        "expires_at": "int",
        "accepted_at": "int",
        "accepted_by": "id",
        "revoked_at": "int",
    }
    create_table(db, "invite", columns, primary_key=("id",), indexes=[("tenant_id", "id")])
