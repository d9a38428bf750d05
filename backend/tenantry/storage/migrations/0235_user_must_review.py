"""Whether somebody who has set a new password has yet to look at what else lets anybody act as them."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import add_column


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    add_column(db, "user_account", "must_review", "int", default="0")
