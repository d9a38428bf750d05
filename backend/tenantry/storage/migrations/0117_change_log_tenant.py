"""Whose object a change is of, so that a tenant's own watch goes by its identity and not by its name."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import add_column


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    add_column(db, "change_log", "tenant_id", "id")
    db.run(
        "UPDATE change_log SET tenant_id = COALESCE("
        "(SELECT tenant_id FROM resource WHERE resource.uid = change_log.uid), '') WHERE tenant_id = ''"
    )
