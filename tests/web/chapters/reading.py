"""Reading: one object, lists, selectors, pages, versions and the other forms of all of them."""

from __future__ import annotations

from tests.support.conversation import Conversation, Different
from tests.web.chapters.documents import ACME, CONFIGS, GOLD, RUN, config, names, plan, tenant, verdict

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
UNCOUNTED = Different("remainingItemCount is optional: to count what is left costs as much as to read it", 200, 200)
LATER = Different("a page has what is there when it is read; a watch from the list's version tells the rest", 200, 200)
NEVER_5XX = Different("a wrong version is the client's fault: no 5xx", 500, 400)


async def reading(talk: Conversation) -> None:
    """Everything that is read."""
    await talk.post("plans", plan())
    await talk.post("plans", plan("iron", meta={"labels": {"run": "$run", "tier": "low", "weight": "3"}}))
    await talk.post("plans", plan("zinc", meta={"labels": {"run": "$run", "tier": "high", "weight": "7"}}))
    await talk.post("tenants", tenant())
    for name in "abcde":
        await talk.post(CONFIGS, config(name, meta={"labels": {"letter": name}}))
    await _one(talk)
    await _lists(talk)
    await _selectors(talk)
    await _pages(talk)
    await _versions(talk)
    await _forms(talk)


async def _one(talk: Conversation) -> None:
    await talk.get(GOLD)
    await talk.get(f"{GOLD}/status")
    await talk.get(ACME)
    await talk.get(f"{GOLD}?resourceVersion=0")
    await talk.get("plans/$run-none")
    await talk.get("plans/UPPER")
    await talk.get(f"{CONFIGS}/none")
    await talk.get("namespaces/none/configs/a")
    await talk.get(f"{GOLD}?pretty=true")


async def _lists(talk: Conversation) -> None:
    await talk.get(f"plans?{RUN}")
    await talk.get(CONFIGS)
    await talk.get("namespaces/none/configs")
    await talk.get("configs?fieldSelector=metadata.namespace%3D$run")
    await talk.get("plans?labelSelector=run%3Dnobody")


async def _selectors(talk: Conversation) -> None:
    for selector in ("tier", "!tier", "tier%3D%3Dlow", "tier!%3Dlow", "tier in (low,high)", "tier notin (low)"):
        await talk.get(f"plans?{RUN},{selector.replace(' ', '%20')}", show=names)
    for selector in ("weight>3", "weight<7", "tier>3"):
        await talk.get(f"plans?{RUN},{selector}", show=names)
    for selector in ("metadata.name%3D$run-iron", "metadata.name!%3D$run-iron", "metadata.name%3D%3D$run-iron"):
        await talk.get(f"plans?{RUN}&fieldSelector={selector}", show=names)
    for selector in ("a%3Db%3Dc", "tier%20in", "tier>x", "-a", "a%3D-", "%2C"):
        await talk.get(f"plans?labelSelector={selector}")
    for selector in ("spec.displayName%3DGold", "metadata.name", "metadata.namespace%3Dx", "status.phase!%3D1"):
        await talk.get(f"plans?fieldSelector={selector}")
    await talk.get(f"{CONFIGS}?fieldSelector=metadata.namespace%3Dother", show=names)
    await talk.get(f"{CONFIGS}?fieldSelector=metadata.name%3Db,metadata.namespace%3D$run", show=names)


async def _pages(talk: Conversation) -> None:
    await talk.get(f"{CONFIGS}?limit=2", show=names, different=UNCOUNTED)
    await talk.get(f"{CONFIGS}?limit=2&continue=$continue", show=names, different=UNCOUNTED)
    await talk.get(f"{CONFIGS}?limit=2&continue=$continue", show=names)
    await talk.get(f"{CONFIGS}?limit=500", show=names)
    await talk.get(f"{CONFIGS}?limit=0", show=names)
    await talk.get(f"{CONFIGS}?limit=-1", show=names)
    await talk.get(f"{CONFIGS}?limit=many", show=verdict)
    await talk.get(f"{CONFIGS}?limit=2&labelSelector=letter", show=names)
    await talk.get(f"{CONFIGS}?limit=2&labelSelector=letter&continue=$continue", show=names)
    await talk.get(f"{CONFIGS}?limit=2&continue=garbage", show=verdict)
    await talk.get(f"{CONFIGS}?limit=2&labelSelector=letter", show=names)
    await talk.get(f"{CONFIGS}?limit=2&resourceVersion=5&continue=$continue", show=verdict)
    await talk.get(f"{CONFIGS}?limit=3&labelSelector=letter", show=names)
    await talk.delete(f"{CONFIGS}/d")
    await talk.get(f"{CONFIGS}?limit=3&labelSelector=letter&continue=$continue", show=names, different=LATER)


async def _versions(talk: Conversation) -> None:
    await talk.get(f"plans?{RUN}", show=names)
    await talk.get(f"plans?{RUN}&resourceVersion=0", show=names)
    await talk.get(f"plans?{RUN}&resourceVersion=$list", show=names)
    await talk.get(f"plans?{RUN}&resourceVersion=$list&resourceVersionMatch=NotOlderThan", show=names)
    await talk.get(f"plans?{RUN}&resourceVersion=$list&resourceVersionMatch=Exact", show=names)
    await talk.get(f"plans?{RUN}&resourceVersion=0&resourceVersionMatch=Exact")
    await talk.get(f"plans?{RUN}&resourceVersionMatch=Exact")
    await talk.get(f"plans?{RUN}&resourceVersion=$list&resourceVersionMatch=Nearly")
    await talk.get(f"plans?{RUN}&resourceVersion=old", show=verdict)
    await talk.get(f"{GOLD}?resourceVersion=old", different=NEVER_5XX)
    await talk.get(f"plans?{RUN}&resourceVersion=999999999")
    await talk.get(f"{GOLD}?resourceVersion=999999999")


async def _forms(talk: Conversation) -> None:
    await talk.get(GOLD, accept=TABLE)
    await talk.get(ACME, accept=TABLE)
    await talk.get(f"{CONFIGS}/a", accept=TABLE)
    await talk.get(f"plans?{RUN}", accept=f"{TABLE},application/json")
    await talk.get(f"plans?{RUN}&includeObject=Object", accept=TABLE)
    await talk.get(f"plans?{RUN}&includeObject=None", accept=TABLE)
    await talk.get(f"plans?{RUN}&includeObject=Half", accept=TABLE, show=verdict)
    await talk.get("plans/$run-none", accept=TABLE)
    await talk.get(GOLD, accept=METADATA)
    await talk.get(f"plans?{RUN}", accept=METADATA_LIST)
    await talk.get(f"plans?{RUN}", accept=METADATA, show=verdict)
    await talk.get(GOLD, accept="application/json;as=Table;v=v1beta9;g=meta.k8s.io", show=verdict)
    await talk.get(GOLD, accept="text/html", show=verdict)
    await talk.get(GOLD, accept="application/vnd.kubernetes.protobuf,application/json")
    await talk.get(GOLD, accept="*/*")
    await talk.get(GOLD, accept="")
