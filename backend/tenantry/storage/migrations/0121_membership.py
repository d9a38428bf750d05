"""Who belongs to which tenant."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "tenant_id": "id",
        "user_id": "id",
        "role": "word",
        "source": "word",
        "created_at": "int",
        "updated_at": "int",
    }
    create_table(db, "membership", columns, primary_key=("tenant_id", "user_id"), indexes=[("user_id", "tenant_id")])
