"""``kubectl get``: objects as rows of a server-side Table (``meta.k8s.io/v1``), spliced from stored cells."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any

import orjson

from tenantry.model import printer
from tenantry.model.kinds import Kind
from tenantry.model.resource import Resource
from tenantry.web.kubernetes.negotiation import Form

INCLUDE = ("None", "Metadata", "Object")


def render(kind: Kind, rows: Iterable[str], *, seq: str, token: str = "") -> str:
    """A Table of rendered rows as JSON text."""
    more = f',"continue":"{token}"' if token else ""
    return (
        '{"kind":"Table","apiVersion":"meta.k8s.io/v1",'
        f'"metadata":{{"resourceVersion":"{seq}"{more}}},'
        f'"columnDefinitions":{columns(kind)},"rows":[{",".join(rows)}]}}'
    )


def row(kind: Kind, resource: Resource, now: float, include: str = "Metadata") -> str:
    """One row as JSON text; ``now`` is epoch seconds, for the age."""
    values = orjson.loads(resource.cells)
    values[_age_column(kind) : _age_column(kind)] = [age(now - resource.created_at / 1e6)]
    return _row([resource.name, *values], _object(resource, include))


def partial(resource: Resource) -> str:
    """A ``PartialObjectMetadata`` as JSON text."""
    return f'{{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{resource.metadata_json()}}}'


def show(kind: Kind, document: dict[str, Any], form: Form, include: str = "Metadata") -> str:
    """A whole object, as the change log has it, in another form: a Table of one row, or its metadata."""
    meta = document["metadata"]
    metadata = orjson.dumps({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta})
    if form is not Form.TABLE:
        return metadata.decode()
    values = printer.cells(kind, document.get("spec", {}), document.get("status", {}))
    created = datetime.fromisoformat(meta["creationTimestamp"]).timestamp()
    values[_age_column(kind) : _age_column(kind)] = [age(time.time() - created)]
    shown = {"None": "null", "Object": orjson.dumps(document).decode()}.get(include, metadata.decode())
    return render(kind, [_row([meta["name"], *values], shown)], seq=meta["resourceVersion"])


def _object(resource: Resource, include: str) -> str:
    if include == "None":
        return "null"
    return resource.to_json() if include == "Object" else partial(resource)


def _row(cells: list[Any], shown: str) -> str:
    return f'{{"cells":{orjson.dumps(cells).decode()},"object":{shown}}}'


@cache
def _age_column(kind: Kind) -> int:
    return next(index for index, column in enumerate(kind.columns) if column.type == "date")


#: ``metav1.ObjectMeta``'s description of it
_NAME = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a "
    "client to request the generation of an appropriate name automatically. Name is primarily intended for creation "
    "idempotence and configuration definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)


@cache
def columns(kind: Kind) -> str:
    """The column definitions as JSON text."""
    name = {
        "name": "Name",
        "type": "string",
        "format": "name",
        "description": _NAME,
        "priority": 0,
    }
    others = [
        {
            "name": column.name,
            "type": column.type,
            "format": "",
            "description": f"Custom resource definition column (in JSONPath format): {column.path}",
            "priority": column.priority,
        }
        for column in kind.columns
    ]
    return orjson.dumps([name, *others]).decode()


_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86_400, 365 * 86_400


def age(seconds: float) -> str:
    """A duration as kubectl shows ages (``k8s.io/apimachinery/pkg/util/duration.HumanDuration``)."""
    total = int(seconds)
    if total < 0:
        return "<invalid>" if total < -1 else "0s"
    for bound, unit, name, smaller, smaller_name in (
        (2 * _MINUTE, 1, "s", 0, ""),
        (10 * _MINUTE, _MINUTE, "m", 1, "s"),
        (3 * _HOUR, _MINUTE, "m", 0, ""),
        (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
        (2 * _DAY, _HOUR, "h", 0, ""),
        (8 * _DAY, _DAY, "d", _HOUR, "h"),
        (2 * _YEAR, _DAY, "d", 0, ""),
        (8 * _YEAR, _YEAR, "y", _DAY, "d"),
    ):
        if total < bound:
            rest = total % unit // smaller if smaller else 0
            return f"{total // unit}{name}" + (f"{rest}{smaller_name}" if rest else "")
    return f"{total // _YEAR}y"
