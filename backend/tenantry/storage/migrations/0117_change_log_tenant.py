"""Whose object a change is of, so that a tenant's own watch goes by its identity and not by its name."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import add_column

#: each statement commits by itself: no row stays locked for longer than its batch takes
atomic = False
#: rows that one statement fills: each carries a whole object
_AT_ONCE = 500


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    add_column(db, "change_log", "tenant_id", "id")
    first, last = db.run("SELECT COALESCE(MIN(seq), 1), COALESCE(MAX(seq), 0) FROM change_log").fetchone()
    for start in range(first, last + 1, _AT_ONCE):
        db.run(
            "UPDATE change_log SET tenant_id = COALESCE("  # noqa: S608 - our numbers
            "(SELECT tenant_id FROM resource WHERE resource.uid = change_log.uid), '') "
            f"WHERE tenant_id = '' AND seq BETWEEN {start:d} AND {start + _AT_ONCE - 1:d}"
        )
