"""What is known of the cluster: our own objects, and what we made for tenants, in their slimmest form.

It is fed by watch events and by the answers to our own writes; the newer resourceVersion wins, so that the event that
a write causes tells nothing new. Versions are compared as numbers (KEP-5504).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from tenantry.model import quantity
from tenantry_operator import metrics
from tenantry_operator.kube import CONFIGS, LIMITS, MANAGER, NAMESPACES, QUOTAS, TENANTS, Resource
from tenantry_operator.objects import Key, Object, tenant_key

Document = dict[str, Any]
TENANT_LABEL, TENANT_ID_LABEL = "tenantry.dev/tenant", "tenantry.dev/tenant-id"
#: what is made for tenants, in the order in which it is made
CHILDREN = (NAMESPACES, QUOTAS, LIMITS)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True)
class Own:
    """A Tenant, Plan or Config."""

    uid: str
    version: int
    plan: str  # the one that a Tenant is on
    text: bytes  # the object as JSON, without managedFields
    conditions: tuple[tuple[str, str], ...]  # type and status of each


@dataclass(frozen=True, slots=True)
class Child:
    """A namespace, quota or limit range that carries the label of a tenant."""

    uid: str
    version: int
    tenant: str
    tenant_id: str
    deleting: str  # since when, empty if it is not being deleted
    blocked: str  # why a namespace cannot go
    content: bytes  # as :func:`content_of`


class Cache:
    """All of them, by key."""

    def __init__(self) -> None:
        self._own: dict[Key, Own] = {}
        self._children: dict[Key, Child] = {}
        self._by_tenant: defaultdict[str, set[Key]] = defaultdict(set)

    def read(self, key: Key) -> Object | None:
        """The Tenant, Plan or Config as a fresh tree, None when there is none."""
        found = self._own.get(key)
        return Object(key, orjson.loads(found.text), self._owner(key.namespace)) if found else None

    def holds(self, key: Key) -> bool:
        """Whether there is such a Tenant, Plan or Config."""
        return key in self._own

    def keys(self, kind: str) -> Iterator[Key]:
        """Every Tenant, Plan or Config."""
        return (key for key in self._own if key.kind == kind)

    def tenants_on(self, plan: str) -> list[Key]:
        """The Tenants on a plan."""
        return [key for key, own in self._own.items() if own.plan == plan and key.kind == TENANTS.kind]

    def child(self, resource: Resource, namespace: str, name: str) -> Child | None:
        """What we made under that name, None when it is not there or carries no tenant's label."""
        return self._children.get(Key(resource.kind, namespace, name))

    def namespaces_of(self, tenant: str) -> dict[str, Child]:
        """The namespaces that carry the tenant's label, by name."""
        found = self._by_tenant.get(tenant, ())
        return {key.name: self._children[key] for key in sorted(found) if key.kind == NAMESPACES.kind}

    def configs_in(self, namespace: str) -> Iterator[Key]:
        """The Configs that live in a namespace."""
        return (key for key in self.keys(CONFIGS.kind) if key.namespace == namespace)

    def put_own(self, key: Key, document: Document) -> bool:
        """Take note of a Tenant, Plan or Config; whether that is news."""
        new = _own(document)
        old = self._own.get(key)
        if old and _is_older(new, old):
            return False
        self._own[key] = new
        _count(key, old, new)
        return old is None or old.text != new.text

    def remove_own(self, key: Key, uid: str) -> bool:
        """Take note that the object with that UID is gone; whether that is news."""
        old = self._own.get(key)
        if old is None or old.uid != uid:
            return False
        self._drop_own(key)
        return True

    def put_child(self, key: Key, new: Child) -> set[str]:
        """Take note of a child; the tenants that this is news for."""
        old = self._children.get(key)
        if old and _is_older(new, old):
            return set()
        self._children[key] = new
        if old is None or old.tenant != new.tenant:
            if old:
                self._by_tenant[old.tenant].discard(key)
            self._by_tenant[new.tenant].add(key)
            return {old.tenant, new.tenant} if old else {new.tenant}
        is_same = (old.uid, old.deleting, old.content) == (new.uid, new.deleting, new.content)
        return set() if is_same else {new.tenant}

    def remove_child(self, resource: Resource, document: Document) -> set[str]:
        """Take note that a child is gone or has lost its label; the tenants that this is news for."""
        key = child_key(resource, document)
        old = self._children.get(key)
        if old is None or old.uid != document["metadata"]["uid"] or old.version > _version(document):
            return set()
        return self._forget(key)

    def keep_own(self, kind: str, documents: Iterable[Document], version: int) -> set[Key]:
        """Bring all objects of one kind up to a list of them; those that this is news for."""
        listed = {
            Key(kind, each["metadata"].get("namespace", ""), each["metadata"]["name"]): each for each in documents
        }
        news = {key for key, document in listed.items() if self.put_own(key, document)}
        gone = {key for key in self.keys(kind) if key not in listed and self._own[key].version <= version}
        for key in gone:
            self._drop_own(key)
        return news | gone

    def keep_children(self, resource: Resource, documents: Iterable[Document], version: int) -> set[str]:
        """Bring all children of one kind up to a list of them; the tenants that this is news for."""
        listed = {child_key(resource, document): child_of(resource, document) for document in documents}
        news: set[str] = set()
        for key, child in listed.items():
            news |= self.put_child(key, child)
        known = [key for key in self._children if key.kind == resource.kind]
        for key in known:
            if key not in listed and self._children[key].version <= version:
                news |= self._forget(key)
        return news

    def _owner(self, namespace: str) -> str:
        """The tenant whose namespace that is, if any: its labels say so, and the tenant's status has its UID."""
        child = self.child(NAMESPACES, "", namespace) if namespace else None
        tenant = self.read(tenant_key(child.tenant)) if child else None
        if child is None or tenant is None or child.tenant_id != tenant.status.get("tenantID"):
            return ""
        return child.tenant if child.uid in tenant.namespace_uids else ""

    def _drop_own(self, key: Key) -> None:
        _count(key, self._own.pop(key), None)

    def _forget(self, key: Key) -> set[str]:
        tenant = self._children.pop(key).tenant
        keys = self._by_tenant[tenant]
        keys.discard(key)
        if not keys:
            del self._by_tenant[tenant]
        return {tenant}


def content_of(resource: Resource, labels: Document, annotations: Document, spec: Document | None) -> bytes:
    """What is compared: our labels and annotations, and the spec with its quantities in one form.

    A namespace's spec is not ours.
    """
    tree = {"labels": labels, "annotations": annotations, "spec": _normal(spec) if resource is not NAMESPACES else None}
    return orjson.dumps(tree, option=orjson.OPT_SORT_KEYS)


def _normal(tree: Any) -> Any:
    """``tree`` with quantities as plain decimals, as kube-apiserver keeps them: ``1000m`` is ``1``, ``1u`` is 0.001."""
    if isinstance(tree, dict):
        return {key: _normal(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_normal(value) for value in tree]
    try:
        return quantity.settled(tree)
    except ArithmeticError:
        return tree


def is_overtaken(obj: Object, answer: Document) -> bool:
    """Whether the answer to a write of ours shows that others have changed or deleted the object since it was read."""
    old, new = obj.metadata, _metadata(answer)
    return any(old.get(part) != new.get(part) for part in ("generation", "labels", "annotations"))


def _metadata(document: Document) -> Document:
    metadata = {key: value for key, value in document["metadata"].items() if key != "managedFields"}
    annotations = metadata.get("annotations")
    if annotations and _LAST_APPLIED in annotations:
        metadata["annotations"] = {key: value for key, value in annotations.items() if key != _LAST_APPLIED}
    return metadata


def _own(document: Document) -> Own:
    metadata = _metadata(document)
    version = int(metadata.pop("resourceVersion"))
    spec = document.get("spec") or {}
    slim = {"metadata": metadata, "spec": spec, "status": document.get("status") or {}}
    conditions = tuple((each["type"], each["status"]) for each in slim["status"].get("conditions", ()))
    return Own(metadata["uid"], version, _plan_of(spec), orjson.dumps(slim), conditions)


def _plan_of(spec: Any) -> str:
    """The plan that a Tenant is on; empty where an object that was stored under another schema does not tell."""
    reference = spec.get("planRef") if isinstance(spec, dict) else None
    name = reference.get("name") if isinstance(reference, dict) else None
    return name if isinstance(name, str) else ""


def _count(key: Key, old: Own | None, new: Own | None) -> None:
    if key.kind != TENANTS.kind:
        return
    for condition in old.conditions if old else ():
        metrics.TENANT_CONDITIONS.labels(*condition).dec()
    for condition in new.conditions if new else ():
        metrics.TENANT_CONDITIONS.labels(*condition).inc()


def child_of(resource: Resource, document: Document) -> Child:
    """The slim form of a namespace, quota or limit range."""
    metadata = document["metadata"]
    labels = metadata.get("labels") or {}
    ours = _ours(metadata)
    deleting = metadata.get("deletionTimestamp", "")
    return Child(
        uid=metadata["uid"],
        version=_version(document),
        tenant=labels.get(TENANT_LABEL, ""),
        tenant_id=labels.get(TENANT_ID_LABEL, ""),
        deleting=deleting,
        blocked=_blocked(document) if deleting else "",
        content=content_of(
            resource,
            {key: value for key, value in labels.items() if f"f:{key}" in ours.get("f:labels", ())},
            {
                key: value
                for key, value in (metadata.get("annotations") or {}).items()
                if f"f:{key}" in ours.get("f:annotations", ())
            },
            document.get("spec"),
        ),
    )


def _ours(metadata: Document) -> Document:
    """The metadata that we have applied and nobody has changed since, as ``fieldsV1`` has it."""
    for entry in metadata.get("managedFields") or ():
        if entry["manager"] == MANAGER and entry["operation"] == "Apply" and not entry.get("subresource"):
            fields: Document = entry["fieldsV1"].get("f:metadata", {})
            return fields
    return {}


def _blocked(document: Document) -> str:
    """Why a namespace that is being deleted is still there: the conditions that say so."""
    conditions = (document.get("status") or {}).get("conditions") or ()
    return "; ".join(condition["message"] for condition in conditions if condition["status"] == "True")


def _is_older(new: Own | Child, old: Own | Child) -> bool:
    return new.version < old.version


def child_key(resource: Resource, document: Document) -> Key:
    """What the object is called here."""
    metadata = document["metadata"]
    return Key(resource.kind, metadata.get("namespace", ""), metadata["name"])


def _version(document: Document) -> int:
    return int(document["metadata"]["resourceVersion"])
