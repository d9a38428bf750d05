"""People."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "id": "id",
        "email": "value",
        "name": "text",
        "password_hash": "text",
        "status": "word",
        "platform_admin": "int",
        "auth_version": "int",
        "created_at": "int",
        "updated_at": "int",
        "last_sign_in_at": "int",
    }
    create_table(db, "user_account", columns, primary_key=("id",), unique=[("email",)])
