"""A Config's status: what the API made of it. An invalid one leaves what was published as it is."""

from __future__ import annotations

from typing import Any

from tenantry.client.records import Record
from tenantry.model import canonical
from tenantry.model.config import ConfigSpec
from tenantry.model.status import Check, ready
from tenantry_operator import conditions
from tenantry_operator.errors import Again
from tenantry_operator.objects import Object

Document = dict[str, Any]
#: what stays until something else is published
_SERVED = ("revision", "stableRevision", "checksum", "seq")


def compute(obj: Object, spec: ConfigSpec | None, parts: list[Check], again: Again, record: Record | None) -> Document:
    """The status of a Config.

    Args:
        obj: it, with its status before.
        spec: its spec, None when it is none that this operator knows.
        parts: what ``Ready`` is the AND of.
        again: when it is looked at again.
        record: the API's answer, None when there is none.
    """
    status: Document = {key: obj.status[key] for key in _SERVED if key in obj.status}
    status["observedGeneration"] = obj.generation
    if spec:
        scope, ref = spec.scope.layer()
        counts = {"values": len(spec.values or ()), "flags": len(spec.flags or ())}
        status |= {"scope": scope, "ref": ref, "counts": counts}
    if record and all(part.ok for part in parts):
        checksum = canonical.checksum(canonical.dumps(obj.spec))
        if status.get("revision") != record.revision and record.seq:  # later ones are of our own reports
            status["seq"] = record.seq
        status |= {"revision": record.revision, "stableRevision": record.revision, "checksum": checksum}
    status["conditions"] = conditions.compose([ready(parts), *parts], again, obj)
    return status
