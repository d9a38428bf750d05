"""Conditions: those that the API answered, and the two that kstatus reads besides Ready.

(``sigs.k8s.io/cli-utils/pkg/kstatus``: ``Reconciling`` and ``Stalled`` are there only while they are True.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from tenantry.model import status
from tenantry.model.status import Check
from tenantry_operator.errors import Again
from tenantry_operator.objects import Object

Condition = dict[str, Any]


def from_api(conditions: Iterable[Mapping[str, Any]]) -> list[Check]:
    """What the API said of an object."""
    return [
        Check(each["type"], each["status"] == "True", each["reason"], each.get("message") or "") for each in conditions
    ]


def from_status(old: Mapping[str, Any], types: Iterable[str]) -> list[Check]:
    """What the object's own status says of some aspects, while nobody else can be asked."""
    known = {each["type"]: each for each in old.get("conditions", ())}
    return from_api(known[wanted] for wanted in types if wanted in known)


def compose(checks: list[Check], again: Again, obj: Object) -> list[Condition]:
    """All conditions of an object.

    Args:
        checks: what is known; while ``Ready`` is False, ``Reconciling`` or ``Stalled`` is added.
        again: when the object is looked at again: soon, because it goes on by itself, or when somebody does something.
        obj: the object, with its status before.
    """
    waiting = [
        Check("Reconciling" if again is Again.SOON else "Stalled", ok=True, reason=check.reason, message=check.message)
        for check in checks
        if check.type == "Ready" and not check.ok
    ]
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return status.conditions(checks + waiting, obj.generation, obj.status, now)


def find(known: Mapping[str, Any], wanted: str) -> Condition | None:
    """One condition of a status."""
    return next((each for each in known.get("conditions", ()) if each["type"] == wanted), None)
