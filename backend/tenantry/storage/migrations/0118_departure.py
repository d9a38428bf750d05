"""Objects that their cluster has reported gone."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {"cluster": "word", "uid": "id", "at": "int"}
    create_table(db, "departure", columns, primary_key=("cluster", "uid"), indexes=[("at",)])
