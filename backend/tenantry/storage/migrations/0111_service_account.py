"""What the service accounts of registered clusters may do."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "cluster": "word",
        "namespace": "word",
        "name": "name",
        "scopes": "json",
        "created_by": "text",
        "created_at": "int",
    }
    create_table(db, "service_account", columns, primary_key=("cluster", "namespace", "name"))
