"""What people let clients have, in each tenant for itself; ``consent`` is what the release before writes."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "user_id": "id",
        "client_id": "word",
        "tenant_id": "id",
        "scopes": "json",
        "created_at": "int",
        "updated_at": "int",
    }
    create_table(db, "tenant_consent", columns, primary_key=("user_id", "client_id", "tenant_id"))
