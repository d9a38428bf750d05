"""The place of an audit row in its tenant's chain. What servers of the release before write waits with place 0."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import add_column, add_index

#: each statement commits by itself: no row stays locked for longer than it takes
atomic = False


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    add_column(db, "audit_event", "position", "int", default="0")
    add_column(db, "audit_event", "seal", "sha")
    add_index(db, "audit_event", ("position", "id"))
    add_index(db, "audit_event", ("tenant_id", "position", "id"))
