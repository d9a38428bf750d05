"""Whether an address is proved; of those who share one, one has proved it."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import add_column, add_index, drop_index


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    add_column(db, "user_account", "email_verified", "int", default="0")
    add_index(db, "user_account", ("email", "email_verified"), unique=True)
    drop_index(db, "user_account", ("email",))
    add_column(db, "invite", "mailed", "int", default="0")
