"""Since when a webhook has more to be sent than may wait."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import add_column


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    add_column(db, "webhook", "dropping_since", "int", default="0")
