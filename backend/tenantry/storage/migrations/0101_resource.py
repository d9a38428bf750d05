"""The living resources: Plans, Tenants and Configs."""

from tenantry.storage.connection import Connection
from tenantry.storage.migrations.ddl import create_table


def up(migrator: object, db: Connection) -> None:  # noqa: ARG001, D103 - playhouse's signature
    columns = {
        "uid": "id",
        "kind": "word",
        "namespace": "namespace",
        "name": "name",
        "tenant_id": "id",
        "generation": "int",
        "seq": "int",
        "meta": "json",
        "spec": "json",
        "status": "json",
        "managed_by": "word",
        "source_uid": "word",
        "source_generation": "int",
        "plan": "name",
        "cells": "json",
        "created_at": "int",
        "updated_at": "int",
    }
    create_table(
        db,
        "resource",
        columns,
        primary_key=("uid",),
        unique=[("kind", "namespace", "name")],
        indexes=[("kind", "plan", "uid"), ("tenant_id",)],
    )
