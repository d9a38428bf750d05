"""What is made for a tenant, of any kind: compared with the cache, applied when it differs, removed when unwanted."""

from __future__ import annotations

from typing import Any

from tenantry_operator import metrics
from tenantry_operator.cache import CHILDREN, Child, child_key, child_of, content_of
from tenantry_operator.errors import KubeError, RejectedError
from tenantry_operator.kube import NAMESPACES, QUOTAS, Resource
from tenantry_operator.objects import Key
from tenantry_operator.tenant import quota
from tenantry_operator.wiring import Services

Document = dict[str, Any]
#: fields of a spec that Kubernetes lets nobody change, or for which it refuses ours
_STUBBORN = {QUOTAS.kind: ("scopes", "scopeSelector")}


async def ensure(services: Services, resource: Resource, wanted: Document) -> None:
    """See that the object is as wanted."""
    key, content = _key(resource, wanted), _content(resource, wanted)
    child = services.cache.child(resource, key.namespace, key.name)
    if child is None or child.content != content:
        await _apply(services, resource, wanted, content)
    else:
        services.agreed[key] = content


async def create(services: Services, resource: Resource, wanted: Document) -> Child:
    """The new object; ConflictError when the name is taken."""
    return await _apply(services, resource, wanted, _content(resource, wanted), only_new=True)


async def remove(services: Services, resource: Resource, namespace: str, name: str) -> None:
    """See that there is none."""
    child = services.cache.child(resource, namespace, name)
    expect_nothing(services, resource, namespace, name)
    if child and not child.deleting:
        answer = await services.kube.delete(resource, name, namespace, uid=child.uid)
        if answer and answer["kind"] == resource.kind:  # it is not gone yet: a namespace never is at once
            services.cache.put_child(child_key(resource, answer), child_of(resource, answer))


def expect_nothing(services: Services, resource: Resource, namespace: str, name: str) -> None:
    """Forget that the object was as wanted: should it be made again, that repairs nothing."""
    services.agreed.pop(Key(resource.kind, namespace, name), None)
    if resource is NAMESPACES:
        for inner in CHILDREN:
            services.agreed.pop(Key(inner.kind, name, quota.NAME), None)


async def _apply(
    services: Services, resource: Resource, wanted: Document, content: bytes, *, only_new: bool = False
) -> Child:
    """The object after it was applied, replaced where others had added to it, and made again where only that helps."""
    key = _key(resource, wanted)
    known = services.cache.child(resource, key.namespace, key.name)
    try:
        child = await _write(services, resource, wanted, content, only_new=only_new)
    except KubeError:
        metrics.APPLIES.labels(resource.kind, "failed").inc()
        raise
    services.cache.put_child(key, child)
    is_same = known is not None and (known.uid, known.version) == (child.uid, child.version)
    metrics.APPLIES.labels(resource.kind, "unchanged" if is_same else "changed").inc()
    if services.agreed.get(key) == content:  # it was as wanted, and that has not changed: somebody else did this
        metrics.DRIFT_CORRECTED.labels(resource.kind).inc()
    services.agreed[key] = content
    return child


async def _write(services: Services, resource: Resource, wanted: Document, content: bytes, *, only_new: bool) -> Child:
    key = _key(resource, wanted)
    try:
        child = child_of(resource, await services.kube.apply(resource, wanted, only_new=only_new))
        if "spec" in wanted and child.content != content:
            answer = await services.kube.replace_spec(resource, key.name, key.namespace, wanted["spec"])
            child = child_of(resource, answer)
    except RejectedError:
        if not await _make_room(services, resource, wanted):
            raise
        child = child_of(resource, await services.kube.apply(resource, wanted, only_new=True))
    return child


async def _make_room(services: Services, resource: Resource, wanted: Document) -> bool:
    """Delete what has the name and can never become as wanted; whether there was such a thing."""
    key, fields = _key(resource, wanted), _STUBBORN.get(resource.kind, ())
    live = await services.kube.get(resource, key.name, key.namespace) if fields else None
    if live is None or all(live["spec"].get(field) == wanted["spec"].get(field) for field in fields):
        return False
    await services.kube.delete(resource, key.name, key.namespace, uid=live["metadata"]["uid"])
    return True


def _key(resource: Resource, document: Document) -> Key:
    metadata = document["metadata"]
    return Key(resource.kind, metadata.get("namespace", ""), metadata["name"])


def _content(resource: Resource, document: Document) -> bytes:
    metadata = document["metadata"]
    return content_of(resource, metadata.get("labels", {}), metadata.get("annotations", {}), document.get("spec"))
