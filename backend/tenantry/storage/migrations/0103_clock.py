"""The clock and the change log's lower end."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    create_table(db, "clock", {"name": "word", "seq": "int"}, primary_key=("name",))
    for name in ("seq", "compacted_to"):
        if not db.run(f"SELECT 1 FROM clock WHERE name = '{name}'").fetchone():  # noqa: S608 - a constant
            db.run(f"INSERT INTO clock (name, seq) VALUES ('{name}', 0)")  # noqa: S608
