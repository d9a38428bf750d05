"""How far in the change log webhooks were told."""

from tenantry.storage.connection import Connection


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    if not db.run("SELECT 1 FROM clock WHERE name = 'webhooks'").fetchone():
        db.run("INSERT INTO clock (name, seq) VALUES ('webhooks', 0)")
