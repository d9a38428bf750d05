"""A small operator as a stranger would write one: it tells what it was told, one JSON line each."""

import json
from typing import Any

import kopf

GROUP, VERSION, PLURAL = "tenantry.dev", "v1alpha1", "tenants"


def tell(event: str, name: str, **details: Any) -> None:
    print(json.dumps({"event": event, "name": name, **details}), flush=True)  # noqa: T201 - to who started it


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.persistence.finalizer = "example.com/kopf"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix="kopf.example.com")
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix="kopf.example.com")


@kopf.on.create(GROUP, VERSION, PLURAL)
def created(name: str, spec: kopf.Spec, patch: kopf.Patch, **_: Any) -> None:
    patch.metadata.labels["example.com/seen"] = "yes"
    tell("created", name, title=spec["displayName"])


@kopf.on.update(GROUP, VERSION, PLURAL, field="spec")
def updated(name: str, diff: kopf.Diff, **_: Any) -> None:
    tell("updated", name, diff=[[operation, list(field), old, new] for operation, field, old, new in diff])


@kopf.on.delete(GROUP, VERSION, PLURAL)
def deleted(name: str, meta: kopf.Meta, **_: Any) -> None:
    tell("deleted", name, finalizers=list(meta["finalizers"]))
