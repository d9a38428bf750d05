"""Identity providers that were made through the API."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "name": "word",
        "display_name": "text",
        "issuer": "text",
        "client_id": "text",
        "secret": "text",
        "scopes": "text",
        "email_domains": "json",
        "auto_provision": "int",
        "created_at": "int",
        "updated_at": "int",
    }
    create_table(db, "identity_provider", columns, primary_key=("name",))
