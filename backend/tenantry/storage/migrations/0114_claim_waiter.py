"""Who waits for a value that another resource holds."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {"kind": "word", "value": "value", "uid": "id"}
    create_table(db, "claim_waiter", columns, primary_key=("kind", "value", "uid"), indexes=[("uid",)])
