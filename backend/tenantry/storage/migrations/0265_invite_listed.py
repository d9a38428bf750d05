"""Whether an invite is by `spec.admins` of its tenant; those that the worker made are. What an address has is found."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import add_column, add_index


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    add_column(db, "invite", "listed", "int", default="0")
    db.run("UPDATE invite SET listed = 1 WHERE invited_by = 'worker'")
    add_index(db, "invite", ("tenant_id", "email"))
