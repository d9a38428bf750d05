"""For whom somebody did what."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import add_column


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    add_column(db, "audit_event", "on_behalf_of", "word")
