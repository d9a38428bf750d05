"""Answers to requests that carried an Idempotency-Key."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "key": "sha",
        "request_hash": "sha",
        "status": "int",
        "body": "json",
        "secret": "int",
        "expires_at": "int",
    }
    create_table(db, "idempotency", columns, primary_key=("key",), indexes=[("expires_at",)])
