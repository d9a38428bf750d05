"""Programs that may ask for tokens."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "id": "word",
        "name": "name",
        "tenant_id": "id",
        "kind": "word",
        "redirect_uris": "json",
        "post_logout_uris": "json",
        "grant_types": "json",
        "scopes": "json",
        "jwks": "json",
        "first_party": "int",
        "disabled": "int",
        "created_by": "name",
        "created_at": "int",
        "updated_at": "int",
    }
    create_table(db, "oauth_client", columns, primary_key=("id",), indexes=[("tenant_id", "id")])
