"""Errors: bodies that are none, addresses that are none, and methods that nobody takes there."""

from __future__ import annotations

import json

from tests.support.conversation import JSON, Conversation, Different
from tests.web.chapters.documents import GOLD, plan, verdict

NO_TEXT_PAGE = Different("whoever asks below /apis can read a Status", 404, 404)
NO_NAME = Different("a collection that does not take the method says so", 400, 405)
NO_CREATION = Different("an object does not take POST, and says so before it reads the body", 409, 405)
TWICE = Different("of two equal keys neither is guessed to be the one that is meant", 201, 400)


async def erring(talk: Conversation) -> None:
    """What is wrong before an object is looked at."""
    await talk.post("plans", plan())
    await _bodies(talk)
    await _addresses(talk)
    await _methods(talk)
    await _queries(talk)


async def _bodies(talk: Conversation) -> None:
    for body in ("", "{", "null", "[]", '"text"', "{}", "a: b", b"\xff", '{"a": NaN}', "[" * 100_000):
        await talk.post("plans", body, show=verdict)
    twice = json.dumps(plan("twice")).replace('"spec": {', '"spec": {"displayName": "x", ')
    await talk.post("plans", twice, different=TWICE)
    await talk.post("plans", plan("large", meta={"annotations": {"a": "x" * (3 << 20)}}), show=verdict)
    for content_type in ("text/plain", "application/xml", "application/x-www-form-urlencoded", "nonsense"):
        await talk.post("plans", plan("x"), content_type=content_type, show=verdict)
    await talk.post("plans", plan("typeless"), content_type=None)
    await talk.post("plans", plan("charset"), content_type=f"{JSON}; charset=utf-8")
    yaml = "apiVersion: tenantry.dev/v1alpha1\nkind: Plan\nmetadata: {name: $run-yaml}\nspec: {displayName: Yaml}\n"
    await talk.post("plans", yaml, content_type="application/yaml")
    flow = "{apiVersion: tenantry.dev/v1alpha1, kind: Plan, metadata: {name: $run-flow}, spec: {displayName: Flow}}"
    await talk.post("plans", flow, content_type="application/yaml")
    await talk.put(GOLD, "{", show=verdict)
    await talk.put(GOLD, "[]", show=verdict)


async def _addresses(talk: Conversation) -> None:
    for path in (
        "ideas",
        "ideas/x",
        "namespaces/x/plans",
        "namespaces/x/plans/y",
        "/apis/tenantry.dev/v2/plans",
        "/apis/tenantry.example/v1/plans",
        "/apis/none",
    ):
        await talk.get(path, different=NO_TEXT_PAGE)
    for path in ("plans/a/b", f"{GOLD}/scale", "/api/v9"):
        await talk.get(path, show=verdict)


async def _methods(talk: Conversation) -> None:
    await talk.put("plans", plan(), different=NO_NAME)
    await talk.patch("plans", {}, different=NO_NAME)
    await talk.post(GOLD, plan(), different=NO_CREATION)
    await talk.post(f"{GOLD}/status", plan(), show=verdict)
    await talk.delete(f"{GOLD}/status", show=verdict)
    await talk.say("OPTIONS", GOLD, show=verdict)
    await talk.say("HEAD", GOLD)


async def _queries(talk: Conversation) -> None:
    await talk.get(f"{GOLD}?unknown=1")
    await talk.post("plans?unknown=1", plan("queried"))
    await talk.get("plans?limit=1&limit=2&labelSelector=run%3D$run")
    await talk.patch(f"{GOLD}?dryRun=all", {"spec": {}})
    await talk.patch(f"{GOLD}?fieldValidation=strict", {"spec": {}})
    await talk.patch(f"{GOLD}?force=perhaps", {"spec": {}})
    await talk.put(f"{GOLD}?dryRun=x", plan())
    await talk.delete(f"{GOLD}?gracePeriodSeconds=x", show=verdict)
    await talk.get("plans?timeoutSeconds=x&labelSelector=run%3D$run", show=verdict)
