"""Whether somebody who is sent to an identity provider must prove there once more who they are."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import add_column


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    add_column(db, "login_transaction", "fresh", "int", default="0")
