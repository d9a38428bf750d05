"""What a write does to an object, as its audit row tells it: computed with the object, outside of the transaction."""

from __future__ import annotations

from typing import Any

import orjson

from tenantry.model.audit import describe
from tenantry.model.resource import Resource

#: where kubectl keeps a whole manifest, to compare it with the next one
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
#: the parts of metadata that people and programs set, and that an audit row tells of
_AUTHORED = ("labels", "annotations", "finalizers", "ownerReferences", "deletionTimestamp")


def difference(old: Resource | None, new: Resource) -> str:
    """The ``diff`` of the audit row; empty when nothing changes but times in managed fields."""
    if old is None:
        return describe({"metadata": {}, "spec": {}}, _authored(new, "spec"))
    same = (old.spec, old.status) == (new.spec, new.status)
    if same and (old.meta == new.meta or _without_times(old) == _without_times(new)):
        return ""
    part = "status" if old.spec == new.spec else "spec"
    return describe(_authored(old, part), _authored(new, part))


def _authored(some: Resource, part: str) -> dict[str, Any]:
    meta = some.meta_dict()
    annotations = {key: value for key, value in meta.pop("annotations", {}).items() if key != _LAST_APPLIED}
    meta |= {"annotations": annotations} if annotations else {}
    return {"metadata": {key: meta[key] for key in _AUTHORED if key in meta}, part: orjson.loads(getattr(some, part))}


def _without_times(resource: Resource) -> dict[str, Any]:
    meta = resource.meta_dict()
    for entry in meta.get("managedFields", ()):
        entry.pop("time", None)
    return meta
