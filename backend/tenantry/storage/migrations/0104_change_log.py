"""The change log; the index serves compaction by age and bytes without touching the documents."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "seq": "int",
        "kind": "word",
        "namespace": "namespace",
        "name": "name",
        "uid": "id",
        "verb": "word",
        "object": "json",
        "prev_labels": "json",
        "at": "int",
        "size": "int",
    }
    create_table(db, "change_log", columns, primary_key=("seq",), indexes=[("seq", "at", "size")])
