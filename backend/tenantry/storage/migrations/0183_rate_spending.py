"""What busy credentials and tenants have spent of their rates on all replicas together."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {"key": "sha", "spent": "int", "at": "int"}
    create_table(db, "rate_spending", columns, primary_key=("key",), indexes=[("at",)])
