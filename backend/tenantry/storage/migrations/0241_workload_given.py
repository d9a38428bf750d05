"""Whether the platform has given a workload to a service account or an OAuth client.

Of those that were named before nothing tells it; the platform names them once more.
"""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import add_column


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    add_column(db, "service_account", "given", "int", default="0")
    add_column(db, "oauth_client", "given", "int", default="0")
