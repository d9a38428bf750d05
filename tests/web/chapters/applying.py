"""Applying: server-side apply, its conflicts, and who owns what afterwards."""

from __future__ import annotations

from tests.support.conversation import Conversation, Different
from tests.web.chapters.documents import (
    ACME,
    CONFIGS,
    GOLD,
    WEB,
    Document,
    config,
    plan,
    tenant,
    verdict,
    without_managers,
)

ALICE = "fieldManager=alice"
BOB = "fieldManager=bob"
NEVER_5XX = Different("a wrong document is the client's fault: no 5xx", 500, 422)


async def applying(talk: Conversation) -> None:
    """New objects, shared ones, and what is refused."""
    await _alone(talk)
    await _together(talk)
    await _entries(talk)
    await _mixed(talk)
    await _refused(talk)
    await _status(talk)


async def _alone(talk: Conversation) -> None:
    await talk.apply(f"{GOLD}?{ALICE}", plan())
    await talk.apply(f"{GOLD}?{ALICE}", plan())
    await talk.apply(f"{GOLD}?{ALICE}", plan(maxMembers=7, features=["sso"]))
    await talk.apply(f"{GOLD}?{ALICE}", plan(features=["audit", "sso"]))
    await talk.apply(f"{GOLD}?{ALICE}", plan())
    await talk.apply(f"plans/$run-dry?{ALICE}&dryRun=All", plan("dry"))
    await talk.apply(f"{GOLD}?{ALICE}&dryRun=All", plan(displayName="Dry"))
    await talk.get("plans/$run-dry")


async def _together(talk: Conversation) -> None:
    await talk.apply(f"{GOLD}?{BOB}", plan(maxMembers=9))
    await talk.apply(f"{GOLD}?{BOB}", plan(displayName="Bob's"))
    await talk.apply(f"{GOLD}?{BOB}", plan(displayName="Bob's", meta={"labels": {"run": "other"}}))
    await talk.apply(f"{GOLD}?{BOB}&force=true", plan(displayName="Bob's"))
    await talk.apply(f"{GOLD}?{ALICE}", plan())
    await talk.apply(f"{GOLD}?{ALICE}", {**plan(), "spec": {"maxMembers": 3}})
    await talk.apply(f"{GOLD}?{ALICE}&force=true&dryRun=All", plan())
    await talk.apply(f"{GOLD}?{ALICE}", {**plan(), "spec": {}})
    await talk.apply(f"{GOLD}?{BOB}", {**plan(), "spec": {}})
    await talk.get(GOLD)


def _access(*roles: str, **more: object) -> list[Document]:
    return [{"role": role, "subjects": [{"kind": "User", "name": "x"}]} | more for role in roles]


async def _entries(talk: Conversation) -> None:
    await talk.apply(f"{ACME}?{ALICE}", tenant(access=_access("Owner")))
    await talk.apply(f"{ACME}?{BOB}", {**tenant(), "spec": {"access": _access("Viewer")}})
    await talk.apply(f"{ACME}?{ALICE}", tenant(access=_access("Owner", "Viewer")))
    other = [{"role": "Viewer", "subjects": [{"kind": "Group", "name": "y"}]}]
    await talk.apply(f"{ACME}?{ALICE}", tenant(access=other))
    await talk.apply(f"{ACME}?{ALICE}&force=true", tenant(access=other))
    await talk.apply(f"{ACME}?{ALICE}", tenant(namespaces=[{"name": "prod"}, {"name": "dev"}]))
    await talk.apply(f"{ACME}?{BOB}", {**tenant(), "spec": {"namespaces": [{"name": "test"}]}})
    await talk.apply(f"{ACME}?{ALICE}", tenant(namespaces=[{"name": "dev"}]))
    await talk.apply(f"{ACME}?{ALICE}", tenant(namespaces=[{"name": "dev"}] * 2), different=NEVER_5XX)
    await talk.apply(f"{WEB}?{ALICE}", config(values={"a": {"b": 1}, "c": [1]}))
    await talk.apply(f"{WEB}?{BOB}", config(values={"a": {"b": 2}}))
    await talk.apply(f"{WEB}?{BOB}", config(values={"d": 2}))
    await talk.get(ACME)


async def _mixed(talk: Conversation) -> None:
    await talk.post("plans?fieldManager=carol", plan("iron"))
    await talk.apply(f"plans/$run-iron?{ALICE}", plan("iron", displayName="Iron"))
    await talk.apply(f"plans/$run-iron?{ALICE}&force=true", plan("iron", displayName="Iron"))
    await talk.patch("plans/$run-iron?fieldManager=carol", {"spec": {"displayName": "Patched"}})
    await talk.apply(f"plans/$run-iron?{ALICE}", plan("iron", displayName="Iron"))
    await talk.patch("plans/$run-iron", {"metadata": {"managedFields": [{}]}})
    await talk.apply(f"plans/$run-iron?{ALICE}", plan("iron", displayName="Iron"))
    await talk.apply(f"plans/$run-iron?{ALICE}", plan("iron", displayName="Patched", maxMembers=4))
    await talk.apply(f"plans/$run-iron?{ALICE}", plan("iron", meta={"finalizers": ["tenantry.dev/x"]}, displayName="P"))


async def _refused(talk: Conversation) -> None:
    await talk.apply(GOLD, plan())
    await talk.apply(f"{GOLD}?{ALICE}", plan("other"))
    await talk.apply(f"{GOLD}?{ALICE}&force=true", plan("other"))
    await talk.apply(f"{GOLD}?{ALICE}", {**plan(), "kind": "Tenant"}, show=verdict)
    await talk.apply(f"{GOLD}?{ALICE}", {"spec": {}}, show=verdict)
    await talk.apply(f"plans/$run-unnamed?{ALICE}", plan(meta={"name": None}))
    await talk.apply(f"{GOLD}?{ALICE}", plan(meta={"managedFields": []}))
    await talk.apply(f"{GOLD}?{ALICE}", plan(meta={"resourceVersion": "$rv(gold,0)"}))
    await talk.apply(f"{GOLD}?{ALICE}&force=true", plan(meta={"resourceVersion": "$rv(gold,0)"}))
    await talk.apply(f"{GOLD}?{ALICE}&force=true", plan(meta={"uid": "00000000-0000-0000-0000-000000000000"}))
    await talk.apply(f"plans/$run-new?{ALICE}", plan("new", meta={"uid": "00000000-0000-0000-0000-000000000000"}))
    await talk.apply(f"plans/$run-new?{ALICE}", plan("new", meta={"resourceVersion": "5"}))
    await talk.apply(f"{GOLD}?{ALICE}&force=true", plan(displayName=5), different=NEVER_5XX)
    await talk.apply(f"{GOLD}?{ALICE}&force=true", plan(displayName=""))
    await talk.apply(f"{GOLD}?{ALICE}&force=true", plan(colour="red"), different=NEVER_5XX)
    await talk.apply(f"{GOLD}?{ALICE}", "a: [", show=verdict)
    await talk.apply(f"{GOLD}?{ALICE}", "- a", show=verdict)
    await talk.apply(f"{CONFIGS}/none?{ALICE}", config("none", meta={"namespace": "other"}))
    text = "apiVersion: tenantry.dev/v1alpha1\nkind: Plan\nmetadata: {name: $run-yaml}\nspec: {displayName: Yaml}\n"
    await talk.apply(f"plans/$run-yaml?{ALICE}", text)
    flow = "{apiVersion: tenantry.dev/v1alpha1, kind: Plan, metadata: {name: $run-flow}, spec: {displayName: Flow}}"
    await talk.apply(f"plans/$run-flow?{ALICE}", flow)


async def _status(talk: Conversation) -> None:
    status = {"observedGeneration": 4}
    await talk.apply(f"{WEB}/status?{BOB}&force=true", {**config(), "status": status}, show=without_managers)
    await talk.apply(f"{WEB}/status?{ALICE}", {**config(), "status": {"observedGeneration": 5}})
    await talk.apply(f"{CONFIGS}/none/status?{BOB}", {**config("none"), "status": status})
