"""Whether the platform has given a workload to a service account or an OAuth client.

Of those that were named before nothing tells it; the platform names them once more.
"""

import logging

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import add_column

logger = logging.getLogger(__name__)


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    for table in ("service_account", "oauth_client"):
        add_column(db, table, "given", "int", default="0")
        named = f"SELECT id, tenant_id, cluster, subject FROM {table} WHERE subject <> '' AND tenant_id <> ''"  # noqa: S608
        for identifier, tenant_id, cluster, subject in db.run(named).fetchall():
            logger.warning(
                "%s of the cluster %s is the %s %s of the tenant %s only while that has the namespace on record; if it "
                "has not, the platform takes the workload out and names it once more",
                *(subject, cluster, table.replace("_", " "), identifier, tenant_id),
            )
