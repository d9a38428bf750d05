"""Sign-ins that devices wait for."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "id": "id",
        "secret_sha": "sha",
        "user_code": "word",
        "family_id": "id",
        "client_id": "word",
        "scopes": "json",
        "ip": "word",
        "interval": "int",
        "created_at": "int",
        "expires_at": "int",
        "polled_at": "int",
        "decided_at": "int",
        "redeemed_at": "int",
        "user_id": "id",
        "tenant_id": "id",
        "amr": "text",
        "auth_time": "int",
        "auth_version": "int",
    }
    create_table(db, "device_code", columns, primary_key=("id",), unique=[("user_code",)], indexes=[("expires_at",)])
