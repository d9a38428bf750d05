"""What deleted Tenants leave."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "slug": "name",
        "tenant_id": "id",
        "managed_by": "word",
        "last_doc": "json",
        "deleted_at": "int",
        "purge_at": "int",
    }
    create_table(db, "tombstone", columns, primary_key=("slug",), indexes=[("purge_at",)])
