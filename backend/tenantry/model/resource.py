"""The one shape in which an object crosses the layers: its columns, and its JSON as canonical text.

A :class:`Resource` is immutable. ``meta``, ``spec`` and ``status`` are canonical JSON text, so an object is served
by splicing strings and parsed only by those who look inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

import orjson

GROUP = "tenantry.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

#: ``managed_by`` of an object that belongs to the API itself rather than to a cluster.
API = "api"

#: ``(kind, namespace, name)``, unique among the living
Key = tuple[str, str, str]


class Verb(StrEnum):
    """What a change-log row tells a watcher; the values are those of a Kubernetes watch event."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One stored Plan, Tenant or Config.

    ``meta`` holds what ``metadata`` has beyond the columns here: labels, annotations, finalizers, ownerReferences,
    deletionTimestamp, deletionGracePeriodSeconds, generateName, managedFields. Times are epoch microseconds.
    """

    kind: str
    namespace: str  # "" for a cluster-scoped object
    name: str
    uid: str  # UUIDv7, new for every creation
    tenant_id: str = ""  # the identity that survives deletion: a Tenant's own; a tenant-scope Config's tenant's
    generation: int = 1  # counts changes of spec
    seq: int = 0  # metadata.resourceVersion; 0 until the change is committed
    meta: str = "{}"
    spec: str = "{}"
    status: str = "{}"
    managed_by: str = API  # API, or the registered name of one cluster
    source_uid: str = ""  # the object's UID in the cluster that manages it; empty when it is there no more
    source_generation: int = 0  # and its generation there
    plan: str = ""  # projection: the plan that it refers to
    cells: str = "[]"  # projection: its printer columns as a JSON array, without name and age
    created_at: int = 0
    updated_at: int = 0

    @property
    def key(self) -> Key:
        """What tells it from all others that live."""
        return self.kind, self.namespace, self.name

    @property
    def is_orphaned(self) -> bool:
        """Whether it is the record of an object that went without being deleted."""
        return self.managed_by != API and not self.source_uid

    @property
    def texts(self) -> tuple[str, str, str]:
        """Its parts that are JSON text; their length tells how long it takes to read it."""
        return self.meta, self.spec, self.status

    def metadata_json(self) -> str:
        """``metadata`` as JSON text, keys in no particular order."""
        namespace = f'"namespace":"{self.namespace}",' if self.namespace else ""
        rest = f",{self.meta[1:]}" if self.meta != "{}" else "}"
        version = f'"resourceVersion":"{self.seq}",' if self.seq else ""
        return (
            f'{{"name":"{self.name}",{namespace}"uid":"{self.uid}",{version}'
            f'"generation":{self.generation},"creationTimestamp":"{timestamp(self.created_at)}"{rest}'
        )

    def to_json(self) -> str:
        """The whole object as JSON text; ``status`` is left out while there is none."""
        status = f',"status":{self.status}' if self.status != "{}" else ""
        return (
            f'{{"apiVersion":"{API_VERSION}","kind":"{self.kind}",'
            f'"metadata":{self.metadata_json()},"spec":{self.spec}{status}}}'
        )

    def document(self) -> dict[str, Any]:
        """The whole object parsed, a fresh tree that the caller may change."""
        tree: dict[str, Any] = orjson.loads(self.to_json())
        return tree

    def meta_dict(self) -> dict[str, Any]:
        """The parsed ``meta``, a fresh tree."""
        tree: dict[str, Any] = orjson.loads(self.meta)
        return tree

    def labels(self) -> dict[str, str]:
        """The object's labels."""
        found = self.meta_dict().get("labels", {})
        return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One row of the change log: exactly what a watcher is sent, and the labels before it."""

    seq: int
    kind: str
    namespace: str
    name: str
    uid: str
    tenant_id: str  # of the object
    verb: Verb
    object: str  # the whole object as JSON text, with resourceVersion = seq
    prev_labels: str  # JSON of the labels before the change; "{}" for ADDED
    at: int
    size: int  # bytes of object and prev_labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """An immutable published state of one resource's spec."""

    kind: str
    namespace: str
    name: str
    tenant_id: str
    revision: int = 0  # 1, 2, 3... per (kind, namespace, name, tenant_id); 0 until it is appended
    generation: int
    doc: str  # canonical JSON of the spec
    checksum: str  # sha256 of ``doc``, hex
    author: str
    message: str
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """What a deleted Tenant leaves: its name stays taken, and its last document can be brought back."""

    slug: str
    tenant_id: str
    managed_by: str
    last_doc: str  # canonical JSON {"metadata": {labels, annotations}, "spec": ...}
    deleted_at: int
    purge_at: int


def timestamp(micros: int) -> str:
    """RFC 3339 in whole seconds, as Kubernetes writes ``metav1.Time``."""
    return _timestamp(micros // 1_000_000)


@lru_cache(maxsize=4096)
def _timestamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
