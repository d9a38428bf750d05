"""What a write does to an object, as its audit row tells it: computed with the object, outside of the transaction."""

from __future__ import annotations

from typing import Any

from tenantry.model.audit import describe
from tenantry.model.jsontree import equal
from tenantry.model.manifest import Document

#: where kubectl keeps a whole manifest, to compare it with the next one
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
#: the parts of metadata that people and programs set, and that an audit row tells of
_AUTHORED = ("labels", "annotations", "finalizers", "ownerReferences", "deletionTimestamp")
#: those that are kept beside them; the others are columns of the row
_KEPT = (*_AUTHORED, "deletionGracePeriodSeconds", "generateName")


def difference(old: Document | None, new: Document) -> str:
    """The ``diff`` of the audit row; empty when nothing changes but times in managed fields."""
    if old is None:
        return describe({"metadata": {}, "spec": {}}, _authored(new, "spec"))
    has_same_spec = equal(old["spec"], new["spec"])
    if has_same_spec and equal(_without_times(old), _without_times(new)):
        return ""
    part = "status" if has_same_spec else "spec"
    return describe(_authored(old, part), _authored(new, part))


def _authored(some: Document, part: str) -> Document:
    meta = {key: value for key, value in some["metadata"].items() if key in _AUTHORED}
    if _LAST_APPLIED in meta.get("annotations", ()):
        meta["annotations"] = {key: value for key, value in meta["annotations"].items() if key != _LAST_APPLIED}
        if not meta["annotations"]:
            del meta["annotations"]
    return {"metadata": meta, part: some.get(part, {})}


def _without_times(some: Document) -> list[Any]:
    meta = some["metadata"]
    entries = [{key: value for key, value in entry.items() if key != "time"} for entry in meta.get("managedFields", ())]
    return [some.get("status", {}), [meta.get(key) for key in _KEPT], entries]
