"""Authenticator apps of users."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {"user_id": "id", "secret": "text", "created_at": "int", "confirmed_at": "int", "last_step": "int"}
    create_table(db, "mfa_factor", columns, primary_key=("user_id",))
