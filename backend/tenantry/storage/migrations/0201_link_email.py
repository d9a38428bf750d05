"""The address to which a link was mailed, and when links are of no use any more."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import add_column, add_index


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    add_column(db, "one_time_link", "email", "value")
    add_index(db, "one_time_link", ("expires_at",))
