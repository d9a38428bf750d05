"""Where the chains of audit rows begin and end."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "tenant_id": "id",
        "position": "int",
        "seal": "sha",
        "removed": "int",
        "removed_seal": "sha",
        "signature": "sha",
    }
    create_table(db, "audit_chain", columns, primary_key=("tenant_id",))
