"""Updating: a PUT in the place of an object, and of its status."""

from __future__ import annotations

from tests.support.conversation import Conversation, Different
from tests.web.chapters.documents import ACME, CONFIGS, GOLD, WEB, Document, config, plan, tenant, verdict, whole

AT_LAST = {"resourceVersion": "$rv(gold)"}
NEVER_5XX = Different("a wrong version is the client's fault: no 5xx", 500, 409)


async def updating(talk: Conversation) -> None:
    """Specs, metadata and status."""
    await talk.post("plans", plan())
    await _specs(talk)
    await _metadata(talk)
    await _status(talk)
    await _namespaced(talk)


async def _specs(talk: Conversation) -> None:
    await talk.put(GOLD, plan(meta=AT_LAST, displayName="Golden"))
    await talk.put(GOLD, plan(meta=AT_LAST, displayName="Golden"))
    await talk.put(f"{GOLD}?fieldManager=bob", plan(meta=AT_LAST, displayName="Golden", maxMembers=7))
    await talk.put(GOLD, plan(meta={"resourceVersion": "$rv(gold,0)"}, displayName="Stale"))
    await talk.put(GOLD, plan(displayName="Blind"), show=verdict)
    await talk.put(GOLD, plan(meta={"resourceVersion": "garbage"}), different=NEVER_5XX)
    await talk.put(GOLD, plan(meta=AT_LAST | {"uid": "00000000-0000-0000-0000-000000000000"}), show=verdict)
    await talk.put(GOLD, plan(meta=AT_LAST | {"uid": "$uid(gold)"}, displayName="Known"))
    await talk.put(GOLD, plan(meta=AT_LAST, displayName=""))
    await talk.put(f"{GOLD}?dryRun=All", plan(meta=AT_LAST, displayName="Dry"))
    await talk.put(f"{GOLD}?fieldValidation=Strict", plan(meta=AT_LAST, colour="red"), show=verdict)
    await talk.put(GOLD, plan(meta=AT_LAST, colour="red"))
    await talk.put(GOLD, plan("other", meta=AT_LAST))
    await talk.put(GOLD, plan(meta=AT_LAST | {"name": None}))
    await talk.put(GOLD, {**plan(meta=AT_LAST), "kind": "Tenant"})
    await talk.put("plans/$run-none", plan("none", meta={"resourceVersion": "1"}))
    await talk.put("plans/$run-none", plan("none"))
    await talk.get(GOLD)


async def _metadata(talk: Conversation) -> None:
    await talk.put(GOLD, plan(meta=AT_LAST | {"labels": {"run": "$run", "a": "b"}}))
    await talk.put(GOLD, plan(meta=AT_LAST | {"labels": {"a": "b c"}}))
    await talk.put(GOLD, plan(meta=AT_LAST | {"creationTimestamp": "2001-01-01T00:00:00Z", "generation": 99}))
    await talk.put(GOLD, plan(meta=AT_LAST | {"deletionTimestamp": "2001-01-01T00:00:00Z"}))
    await talk.put(GOLD, plan(meta=AT_LAST | {"managedFields": []}))
    await talk.put(GOLD, plan(meta=AT_LAST | {"managedFields": [{}]}))
    await talk.put(GOLD, plan(meta=AT_LAST, displayName="After"))
    await talk.put(GOLD, plan(meta=AT_LAST | {"generateName": "x-", "selfLink": "/nowhere"}))


async def _status(talk: Conversation) -> None:
    status = {"conditions": [_condition("Custom")], "observedGeneration": 3}
    await talk.put(f"{GOLD}/status", {**plan(meta=AT_LAST, displayName="Ignored"), "status": status}, show=whole)
    wrong = {"conditions": [_condition("Custom") | {"status": "Perhaps"}]}
    await talk.put(f"{GOLD}/status", {**plan(meta=AT_LAST), "status": wrong})
    stale = {"resourceVersion": "$rv(gold,0)"}
    await talk.put(f"{GOLD}/status", {**plan(meta=stale), "status": status})
    await talk.put("plans/$run-none/status", {**plan("none", meta={"resourceVersion": "1"}), "status": status})
    await talk.put(GOLD, {**plan(meta=AT_LAST, displayName="Kept"), "status": {"observedGeneration": 99}})


async def _namespaced(talk: Conversation) -> None:
    await talk.post(CONFIGS, config())
    at_last = {"resourceVersion": "$rv(web)"}
    await talk.put(WEB, config(meta=at_last, values={"a": [1, {"b": None}]}))
    await talk.put(WEB, config(meta=at_last | {"namespace": "other"}))
    await talk.put(WEB, config(meta=at_last | {"namespace": None}))
    await talk.put(WEB, config(meta=at_last, scope={"plan": {"ref": "x"}}))
    await talk.post("tenants", tenant())
    await talk.put(ACME, tenant(meta={"resourceVersion": "$rv(acme)"}, displayName="Other"))


def _condition(kind: str) -> Document:
    return {
        "type": kind,
        "status": "True",
        "reason": "Said",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
