"""Sign-ins at identity providers that are under way."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "id": "id",
        "browser_sha": "sha",
        "provider": "word",
        "return_to": "text",
        "user_id": "id",
        "session_id": "id",
        "created_at": "int",
        "expires_at": "int",
        "used_at": "int",
    }
    create_table(db, "login_transaction", columns, primary_key=("id",), indexes=[("expires_at",)])
