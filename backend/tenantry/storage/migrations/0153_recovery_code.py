"""Codes for the day when an authenticator app is lost."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {"user_id": "id", "code_sha": "sha", "used_at": "int"}
    create_table(db, "recovery_code", columns, primary_key=("user_id", "code_sha"))
