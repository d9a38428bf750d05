"""Which workload of a cluster an OAuth client proves itself as."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import add_column


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    add_column(db, "oauth_client", "cluster", "word")
    add_column(db, "oauth_client", "subject", "value")
