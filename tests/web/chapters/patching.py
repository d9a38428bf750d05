"""Patching: JSON merge patches and JSON patches, of objects and of their status."""

from __future__ import annotations

from tests.support.conversation import JSON, JSON_PATCH, MERGE, STRATEGIC, Conversation, Different
from tests.web.chapters.documents import ACME, CONFIGS, GOLD, WEB, config, plan, tenant, verdict, without_managers

WRONG_WARNING = Different("spec is no unknown field, whatever the version", 422, 422)
NO_SUCH_METHOD = Different("an address that takes other methods says so", 400, 405)


async def patching(talk: Conversation) -> None:
    """Both types, what they refuse, and others."""
    await talk.post("plans", plan())
    await talk.post("tenants", tenant())
    await _merging(talk)
    await _operations(talk)
    await _wrong_operations(talk)
    await _types(talk)
    await _status(talk)


async def _merging(talk: Conversation) -> None:
    await talk.patch(GOLD, {"spec": {"displayName": "Golden"}})
    await talk.patch(GOLD, {"spec": {"displayName": "Golden"}})
    await talk.patch(GOLD, {})
    await talk.patch(f"{GOLD}?fieldManager=bob", {"spec": {"maxMembers": 7}})
    await talk.patch(GOLD, {"spec": {"maxMembers": None}})
    await talk.patch(GOLD, {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}})
    await talk.patch(GOLD, {"metadata": {"labels": {"a": None}, "annotations": None}})
    await talk.patch(GOLD, {"spec": {"displayName": ""}})
    await talk.patch(GOLD, {"spec": {"displayName": None}})
    await talk.patch(GOLD, {"spec": None})
    await talk.patch(GOLD, {"spec": {"colour": "red"}})
    await talk.patch(f"{GOLD}?fieldValidation=Strict", {"spec": {"colour": "red"}}, show=verdict)
    await talk.patch(GOLD, {"metadata": {"resourceVersion": "$rv(gold,0)"}, "spec": {"displayName": "Stale"}})
    await talk.patch(GOLD, {"metadata": {"resourceVersion": "$rv(gold)"}, "spec": {"displayName": "Fresh"}})
    await talk.patch(GOLD, {"metadata": {"uid": "00000000-0000-0000-0000-000000000000"}})
    await talk.patch(GOLD, {"metadata": {"name": "$run-other"}})
    await talk.patch(GOLD, {"metadata": {"name": None}})
    await talk.patch(GOLD, {"kind": "Tenant"})
    await talk.patch(GOLD, {"apiVersion": "tenantry.dev/v2"}, show=verdict, different=WRONG_WARNING)
    await talk.patch(GOLD, {"metadata": {"labels": {"a": 5}}}, show=verdict)
    await talk.patch(GOLD, {"metadata": "x"}, show=verdict)
    await talk.patch(GOLD, {"metadata": {"finalizers": ["tenantry.dev/a"]}})
    await talk.patch(GOLD, {"metadata": {"finalizers": None}})
    await talk.patch(GOLD, {"metadata": {"managedFields": []}})
    await talk.patch(GOLD, {"metadata": {"managedFields": [{}]}})
    await talk.patch(f"{GOLD}?dryRun=All", {"spec": {"displayName": "Dry"}})
    await talk.patch(f"{GOLD}?force=true", {"spec": {"displayName": "Forced"}})
    await talk.patch("plans/$run-none", {"spec": {"displayName": "None"}})
    await talk.patch(ACME, {"spec": {"labels": {"x": "y"}, "state": "Suspended"}})
    await talk.get(GOLD)


async def _operations(talk: Conversation) -> None:
    change = {"op": "replace", "path": "/spec/displayName", "value": "Replaced"}
    await talk.patch(GOLD, [change], JSON_PATCH)
    await talk.patch(GOLD, [change], JSON_PATCH)
    await talk.patch(GOLD, [], JSON_PATCH)
    await talk.patch(GOLD, [{"op": "add", "path": "/spec/features", "value": ["sso"]}], JSON_PATCH)
    await talk.patch(GOLD, [{"op": "add", "path": "/spec/features/-", "value": "audit"}], JSON_PATCH)
    await talk.patch(GOLD, [{"op": "add", "path": "/spec/features/0", "value": "first"}], JSON_PATCH)
    await talk.patch(GOLD, [{"op": "move", "from": "/spec/features/0", "path": "/spec/features/2"}], JSON_PATCH)
    await talk.patch(GOLD, [{"op": "copy", "from": "/metadata/name", "path": "/spec/displayName"}], JSON_PATCH)
    await talk.patch(GOLD, [{"op": "remove", "path": "/spec/features/0"}], JSON_PATCH)
    named = {"op": "test", "path": "/spec/displayName", "value": "$run-gold"}
    await talk.patch(GOLD, [named, change], JSON_PATCH)
    await talk.patch(GOLD, [named, change], JSON_PATCH, show=verdict)
    await talk.patch(GOLD, [{"op": "add", "path": "/metadata/labels/a~1b", "value": "c"}], JSON_PATCH)


async def _wrong_operations(talk: Conversation) -> None:
    change = {"op": "replace", "path": "/spec/displayName", "value": "Never"}
    await talk.patch(
        GOLD, [change, {"op": "test", "path": "/spec/displayName", "value": "x"}], JSON_PATCH, show=verdict
    )
    await talk.patch(GOLD, [{"op": "remove", "path": "/spec/none"}], JSON_PATCH, show=verdict)
    await talk.patch(GOLD, [{"op": "jump", "path": "/spec"}], JSON_PATCH, show=verdict)
    await talk.patch(GOLD, [{"op": "add", "path": "/spec/features/9", "value": "x"}], JSON_PATCH, show=verdict)
    await talk.patch(GOLD, {"spec": {}}, JSON_PATCH, show=verdict)
    await talk.patch(GOLD, [{"op": "replace", "path": "/spec/displayName", "value": 5}], JSON_PATCH)
    await talk.patch(GOLD, [{"op": "remove", "path": "/spec"}], JSON_PATCH)
    await talk.get(GOLD)


async def _types(talk: Conversation) -> None:
    await talk.patch(GOLD, {"spec": {}}, STRATEGIC)
    await talk.patch(GOLD, {"spec": {}}, JSON)
    await talk.patch(GOLD, {"spec": {}}, "application/yaml")
    await talk.patch(GOLD, {"spec": {}}, f"{MERGE}; charset=utf-8")
    await talk.patch(GOLD, [1], MERGE, show=verdict)
    await talk.patch(GOLD, "null", MERGE, show=verdict)
    await talk.patch(GOLD, "{", MERGE, show=verdict)
    await talk.patch(GOLD, "[", JSON_PATCH, show=verdict)
    await talk.patch("plans", {"spec": {}}, show=verdict, different=NO_SUCH_METHOD)


async def _status(talk: Conversation) -> None:
    await talk.post(CONFIGS, config())
    status = f"{WEB}/status"
    change = {"status": {"observedGeneration": 5}, "spec": {"values": {"a": 1}}}
    await talk.patch(status, change, show=without_managers)
    await talk.patch(status, {"metadata": {"labels": {"x": "y"}}}, show=without_managers)
    test = {"op": "test", "path": "/status/observedGeneration", "value": 5}
    await talk.patch(status, [test], JSON_PATCH, show=without_managers)
    await talk.patch(status, {"status": {"observedGeneration": "x"}}, show=verdict)
    await talk.patch(f"{CONFIGS}/none/status", {"status": {"observedGeneration": 5}})
    await talk.patch(WEB, {"status": {"observedGeneration": 7}}, show=without_managers)
