"""Deleting: at once, while finalizers hold, on conditions, and whole collections."""

from __future__ import annotations

from typing import Any

from tests.support.conversation import Conversation
from tests.web.chapters.creating import NO_SUCH_METHOD
from tests.web.chapters.documents import CONFIGS, GOLD, WEB, config, plan, tenant, verdict


async def deleting(talk: Conversation) -> None:
    """Objects and collections."""
    await _plainly(talk)
    await _on_conditions(talk)
    await _held(talk)
    await _propagating(talk)
    await _collections(talk)


async def _plainly(talk: Conversation) -> None:
    await talk.post("plans", plan())
    await talk.delete(f"{GOLD}?dryRun=All")
    await talk.delete(GOLD, {"dryRun": ["All"]})
    await talk.delete(GOLD, {"dryRun": ["Some"]})
    await talk.get(GOLD)
    await talk.delete(GOLD)
    await talk.get(GOLD)
    await talk.delete(GOLD)
    await talk.post("plans", plan())
    await talk.get(GOLD)
    await talk.post("tenants", tenant())
    await talk.delete("tenants/$run-acme", _options(gracePeriodSeconds=0))


async def _on_conditions(talk: Conversation) -> None:
    nobody = "00000000-0000-0000-0000-000000000000"
    await talk.delete(GOLD, _options(preconditions={"uid": nobody}), show=verdict)
    await talk.delete(GOLD, _options(preconditions={"resourceVersion": "1"}), show=verdict)
    await talk.delete(GOLD, _options(preconditions={"uid": "$uid(gold)", "resourceVersion": "$rv(gold)"}))
    await talk.post("plans", plan())
    await talk.delete("plans/$run-none", _options(preconditions={"uid": nobody}))


async def _held(talk: Conversation) -> None:
    held = "plans/$run-held"
    await talk.post("plans", plan("held", meta={"finalizers": ["tenantry.dev/a", "tenantry.dev/b"]}))
    await talk.delete(f"{held}?dryRun=All")
    await talk.delete(held)
    await talk.delete(held)
    await talk.get(held)
    await talk.post("plans", plan("held"), show=verdict)
    await talk.patch(held, {"spec": {"displayName": "Still here"}})
    await talk.patch(held, {"metadata": {"finalizers": ["tenantry.dev/a", "tenantry.dev/c"]}})
    await talk.patch(held, {"metadata": {"deletionTimestamp": None}})
    await talk.patch(held, {"metadata": {"finalizers": ["tenantry.dev/b"]}})
    await talk.patch(f"{held}?dryRun=All", {"metadata": {"finalizers": []}})
    await talk.patch(held, {"metadata": {"finalizers": None}})
    await talk.get(held)


async def _propagating(talk: Conversation) -> None:
    await talk.delete(f"{GOLD}?propagationPolicy=Sideways")
    await talk.delete(GOLD, _options(propagationPolicy="Background", orphanDependents=True))
    await talk.delete(f"{GOLD}?propagationPolicy=Background")
    await talk.post(CONFIGS, config())
    await talk.delete(WEB, _options(propagationPolicy="Background", gracePeriodSeconds=30))
    await talk.post(CONFIGS, config())
    await talk.delete(WEB, {"kind": "Plan", "apiVersion": "tenantry.dev/v1alpha1"}, show=verdict)
    await talk.delete(WEB, "{", show=verdict)
    await talk.delete(WEB, "[]", show=verdict)


async def _collections(talk: Conversation) -> None:
    for name in ("a", "b", "c"):
        await talk.post(CONFIGS, config(name, meta={"labels": {"letter": name}}))
    await talk.delete(f"{CONFIGS}?labelSelector=letter%20in%20(a,b)&dryRun=All")
    await talk.delete(f"{CONFIGS}?labelSelector=letter%20in%20(a,b)")
    await talk.get(CONFIGS)
    await talk.delete(f"{CONFIGS}?fieldSelector=metadata.name%3Dc", _options(propagationPolicy="Background"))
    await talk.delete(CONFIGS)
    await talk.delete(CONFIGS)
    await talk.delete(f"{CONFIGS}?labelSelector=a%3Db%3Dc")
    await talk.delete("configs", different=NO_SUCH_METHOD)
    await talk.get(CONFIGS)


def _options(**options: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "DeleteOptions"} | options
