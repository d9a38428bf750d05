"""The parts that a reconcile works with, put together in one place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from tenantry_operator.cache import Cache
from tenantry_operator.errors import Again
from tenantry_operator.events import Recorder
from tenantry_operator.kube import Kube
from tenantry_operator.ledger import Ledger
from tenantry_operator.objects import Key


@dataclass(frozen=True, slots=True)
class Services:
    """The cluster, what is known of it, and the API."""

    kube: Kube
    cache: Cache
    ledger: Ledger
    events: Recorder
    namespace: str  # the platform's own, where global and plan Configs live
    agreed: dict[Key, bytes] = field(default_factory=dict)  # content that was as wanted when last seen: see children
    newcomers: dict[str, float] = field(
        default_factory=dict
    )  # UIDs of Tenants never ready, monotonic time of first sight


class Result(NamedTuple):
    """How a reconcile ended.

    ``again`` is when to look at the key again, ``then`` are keys to look at now, ``later`` are those that may wait.
    """

    again: Again = Again.NEVER
    then: tuple[Key, ...] = ()
    later: tuple[Key, ...] = ()
