"""When somebody has proved who they are elsewhere, who is to go on with their second factor here."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import add_column


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    add_column(db, "one_time_link", "auth_time", "int", default="0")
