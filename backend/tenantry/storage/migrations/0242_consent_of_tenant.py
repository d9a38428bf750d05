"""Which consents there are in a tenant: they go with it, and a DELETE without an index would lock all rows."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import add_index


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    add_index(db, "tenant_consent", ["tenant_id"])
