"""Who would give a client tokens by a code, to find what goes when they lose their place in a tenant."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import add_index


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    add_index(db, "auth_code", ("user_id",))
    add_index(db, "device_code", ("user_id",))
