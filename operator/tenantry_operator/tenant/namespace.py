"""Namespaces: made, taken over, repaired, detached. Whose one is says its UID in the Tenant's status, or its labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from tenantry.model import names
from tenantry.model.plan import PlanPodSecurity, PlanSpec
from tenantry.model.tenant import TenantNamespace, TenantSpec
from tenantry_operator.cache import CHILDREN, TENANT_ID_LABEL, TENANT_LABEL, Cache, Child, child_key, child_of
from tenantry_operator.errors import Again, ConflictError, KubeError, judge
from tenantry_operator.kube import NAMESPACES
from tenantry_operator.objects import Object
from tenantry_operator.tenant import children, quota
from tenantry_operator.wiring import Services

Document = dict[str, Any]
MANAGED_BY = {"app.kubernetes.io/managed-by": "tenantry"}
DETACHED_LABEL = "tenantry.dev/detached"
_STANDARDS = ("privileged", "baseline", "restricted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one entry of ``spec.namespaces`` stands; ``reason`` is empty when the namespace is as it should be."""

    name: str  # the real one
    uid: str = ""
    reason: str = ""
    message: str = ""
    again: Again = Again.NEVER  # when to look at it again


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """By what a namespace is known to be the tenant's."""

    tenant: str
    tenant_id: str
    uids: frozenset[str]  # recorded in its status, or named by ``adoptUID``

    def covers(self, child: Child) -> bool:
        """Whether the namespace is the tenant's; a detached one that comes back still has its ``tenant-id``."""
        return child.uid in self.uids or (child.tenant_id == self.tenant_id and child.tenant in ("", self.tenant))


def labels_of(tenant: str, tenant_id: str) -> dict[str, str]:
    """The labels of everything that is made for a tenant."""
    return MANAGED_BY | {TENANT_LABEL: tenant, TENANT_ID_LABEL: tenant_id}


def desired(tenant: str, tenant_id: str, entry: TenantNamespace, security: PlanPodSecurity) -> Document:
    """The namespace of one entry."""
    prefix = "pod-security.kubernetes.io"
    standards = {
        f"{prefix}/enforce": security.enforce,
        f"{prefix}/enforce-version": security.version,
        f"{prefix}/warn": security.warn,
        f"{prefix}/warn-version": security.version,
    }
    metadata: Document = {
        "name": names.namespace_of(tenant, entry.name),
        "labels": dict(entry.labels or {}) | standards | labels_of(tenant, tenant_id),
    }
    if entry.annotations:
        metadata["annotations"] = dict(entry.annotations)
    return {"metadata": metadata}


def security_of(spec: TenantSpec, plan: PlanSpec) -> PlanPodSecurity:
    """The Pod Security Standard in effect: the stricter of the tenant's and the plan's."""
    own, floor = spec.pod_security, plan.pod_security
    if own is None:
        return floor
    return PlanPodSecurity(
        enforce=max(own.enforce or floor.enforce, floor.enforce, key=_STANDARDS.index),
        warn=own.warn or floor.warn,
        version=own.version or floor.version,
    )


def held(cache: Cache, tenant: str, tenant_id: str) -> dict[str, Child]:
    """The namespaces that carry the labels of a tenant and a name that only it can give; labels alone, anybody can set.

    Without a ``tenant_id``, which a Tenant lacks that was never reported on, the tenant's name has to do.
    """
    return {
        name: child
        for name, child in cache.namespaces_of(tenant).items()
        if name.rpartition("-")[0] == tenant and tenant_id in ("", child.tenant_id)
    }


async def ensure(services: Services, wanted: Document, claim: Claim, *, may_create: bool) -> Place:
    """See that the namespace is there, is the tenant's and has our labels.

    A name that somebody else's namespace has is never taken over, unless the entry names its UID.
    """
    name = wanted["metadata"]["name"]
    child = services.cache.child(NAMESPACES, "", name)
    if child is None and may_create:
        try:
            made = await children.create(services, NAMESPACES, wanted)
        except ConflictError:
            pass  # there is one without our label
        else:
            return Place(name=name, uid=made.uid)
    if child is None:
        live = await services.kube.get(NAMESPACES, name)
        if live is None:
            message = f"{name} is not made: the tenant has more namespaces than its plan allows"
            return Place(name=name, reason="ExceedsPlan", message=message)
        child = child_of(NAMESPACES, live)
    if not claim.covers(child):
        message = f"{name} exists and is not this tenant's; to take it over set adoptUID: {child.uid}"
        return Place(name=name, reason="NameTaken", message=message, again=Again.LATER)
    if child.deleting:
        return leaving(name, child)
    await children.ensure(services, NAMESPACES, {"metadata": wanted["metadata"] | {"uid": child.uid}})
    return Place(name=name, uid=child.uid)


async def recover(services: Services, tenant: Object, tenant_id: str, entries: Iterable[Document]) -> list[Place]:
    """Give those of a status' ``entries`` that have lost our labels these back: by its UID each is still the tenant's.

    What was let go is not. Returns those with which it failed.
    """
    known, failures = held(services.cache, tenant.key.name, tenant_id), []
    for entry in entries:
        name, uid = entry["name"], entry.get("uid")
        if uid and name not in known:
            try:
                await _recover(services, name, uid, labels_of(tenant.key.name, tenant_id))
            except KubeError as error:
                failures.append(failed(name, error, uid))
    return failures


async def _recover(services: Services, name: str, uid: str, labels: Mapping[str, str]) -> None:
    live = await services.kube.get(NAMESPACES, name)
    if live is None or live["metadata"]["uid"] != uid or DETACHED_LABEL in live["metadata"].get("labels", {}):
        return
    ours = orjson.loads(child_of(NAMESPACES, live).content)
    metadata = {"name": name, "uid": uid, "labels": ours["labels"] | labels, "annotations": ours["annotations"]}
    answer = await services.kube.apply(NAMESPACES, {"metadata": metadata})
    services.cache.put_child(child_key(NAMESPACES, answer), child_of(NAMESPACES, answer))


def leaving(name: str, child: Child) -> Place:
    """The place of a namespace that is being deleted."""
    message = child.blocked or f"{name} is being deleted"
    return Place(name=name, uid=child.uid, reason="Terminating", message=message, again=Again.LATER)


def failed(name: str, error: KubeError, uid: str = "") -> Place:
    """The place of a namespace with which ``error`` came up."""
    verdict = judge(error)
    message = f"{name}: {error.message}"
    return Place(name=name, uid=uid, reason=verdict.reason, message=message, again=verdict.again)


async def detach(services: Services, name: str, tenant: str) -> None:
    """Let go of a namespace and of what we made in it: all stays as it is, and is nobody's until it is wanted again."""
    for resource in reversed(CHILDREN):
        where, what = ("", name) if resource is NAMESPACES else (name, quota.NAME)
        child = services.cache.child(resource, where, what)
        if child is None or child.deleting:
            continue
        content = orjson.loads(child.content)
        children.expect_nothing(services, resource, where, what)
        metadata = {
            "name": what,
            "uid": child.uid,
            "labels": _detached(content["labels"], tenant),
            "annotations": content["annotations"],
        }
        document: Document = {"metadata": metadata}
        if resource is not NAMESPACES:
            metadata["namespace"] = where
            document["spec"] = content["spec"]
        answer = await services.kube.apply(resource, document)
        services.cache.remove_child(resource, answer)


def _detached(labels: Mapping[str, str], tenant: str) -> dict[str, str]:
    dropped = {TENANT_LABEL, *MANAGED_BY}
    return {key: value for key, value in labels.items() if key not in dropped} | {DETACHED_LABEL: tenant}
