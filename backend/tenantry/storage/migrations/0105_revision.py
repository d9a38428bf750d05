"""Published states of specs."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "kind": "word",
        "namespace": "namespace",
        "name": "name",
        "tenant_id": "id",
        "revision": "int",
        "generation": "int",
        "doc": "json",
        "checksum": "sha",
        "author": "text",
        "message": "text",
        "created_at": "int",
    }
    create_table(db, "revision", columns, primary_key=("kind", "namespace", "name", "tenant_id", "revision"))
