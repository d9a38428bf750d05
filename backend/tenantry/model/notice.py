"""News for the replicas."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What they know of ``kind`` ``name`` is out of date."""

    kind: str  # a type of the model, such as User
    name: str
    tenant_id: str = ""
