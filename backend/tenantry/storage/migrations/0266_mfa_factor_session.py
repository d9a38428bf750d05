"""In which session an authenticator app was begun with: it is confirmed in no other."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import add_column


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    add_column(db, "mfa_factor", "session_id", "id")
