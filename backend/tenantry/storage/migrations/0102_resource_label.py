"""The labels of the living, in paging order by label, and by object."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "kind": "word",
        "key": "label_key",
        "value": "label_value",
        "namespace": "namespace",
        "name": "name",
        "uid": "id",
    }
    create_table(
        db,
        "resource_label",
        columns,
        primary_key=("kind", "key", "value", "namespace", "name"),
        indexes=[("uid", "key", "value")],
    )
