"""Creating: what a POST accepts, refuses, fills in and ignores."""

from __future__ import annotations

from tests.support.conversation import Conversation, Different
from tests.web.chapters.documents import CONFIGS, config, plan, tenant, verdict

NEVER_5XX = Different("a wrong document is the client's fault: no 5xx", 500, 400)
NO_SUCH_METHOD = Different("an address that takes other methods says so instead of a text page", 404, 405)
WRONG_WARNING = Different("spec is no unknown field, whatever the version", 400, 400)


async def creating(talk: Conversation) -> None:
    """Objects, in the right place and not."""
    await _placed(talk)
    await _named(talk)
    await _metadata(talk)
    await _refused(talk)
    await _typed(talk)
    await _managed(talk)


async def _placed(talk: Conversation) -> None:
    await talk.post("plans", plan())
    await talk.post("plans", plan())
    await talk.post("tenants", tenant())
    await talk.post(CONFIGS, config())
    await talk.post(CONFIGS, config("no-namespace", meta={"namespace": None}))
    await talk.post(CONFIGS, config("elsewhere", meta={"namespace": "other"}))
    await talk.post("configs", config("nowhere"), different=NO_SUCH_METHOD)
    await talk.post("plans", plan("spaced", meta={"namespace": "x"}))
    await talk.post("plans?dryRun=All", plan("dry"))
    await talk.post("plans?dryRun=All", plan())
    await talk.post("plans?dryRun=Some", plan("dry"))
    await talk.get("plans/$run-dry")


async def _named(talk: Conversation) -> None:
    await talk.post("plans", plan("", meta={"name": "", "generateName": "$run-gen-"}))
    await talk.post("plans", plan("", meta={"name": None, "generateName": "$run-" + 60 * "g"}))
    await talk.post("plans", plan("", meta={"name": None}))
    await talk.post("plans", plan("", meta={"name": "UPPER"}))
    await talk.post("plans", plan("", meta={"name": 254 * "x"}), show=verdict)
    await talk.post("plans", plan("", meta={"name": 7}), show=verdict)
    await talk.post("tenants", tenant("", meta={"name": "Bad_Name"}))
    await talk.post("tenants", tenant("", meta={"name": "kube-x"}))
    await talk.post("tenants", tenant("", meta={"name": 41 * "a"}))


async def _metadata(talk: Conversation) -> None:
    await talk.post("plans", plan("versioned", meta={"resourceVersion": "5"}), different=NEVER_5XX)
    await talk.post("plans", plan("zero", meta={"resourceVersion": "0"}))
    await talk.post("plans", plan("own", meta={"uid": "00000000-0000-0000-0000-000000000000", "generation": 9}))
    await talk.post("plans", plan("timed", meta={"creationTimestamp": "2001-01-01T00:00:00Z"}))
    await talk.post("plans", plan("dying", meta={"deletionTimestamp": "2001-01-01T00:00:00Z"}))
    await talk.post("plans", plan("held", meta={"finalizers": ["tenantry.dev/test", "tenantry.dev/test"]}))
    await talk.post("plans", plan("unheld", meta={"finalizers": ["nodomain"]}))
    await talk.post("plans", plan("labelled", meta={"labels": {"-": "x", "a": "b c"}}))
    await talk.post("plans", plan("annotated", meta={"annotations": {"a b": "x"}}))
    await talk.post("plans", plan("typed", meta={"labels": {"a": 5}}), show=verdict)
    owner = {"apiVersion": "v1", "kind": "Secret", "name": "a", "uid": "b"}
    await talk.post("plans", plan("owned", meta={"ownerReferences": [owner]}))
    await talk.post("plans", plan("unowned", meta={"ownerReferences": [{"apiVersion": "v1", "kind": "Secret"}]}))


async def _refused(talk: Conversation) -> None:
    await talk.post("plans", plan("wrong", displayName="", maxNamespaces=99, features=["Not Good"]))
    await talk.post("plans", plan("untyped", displayName=5))
    access = {"role": "Owner", "subjects": [{"kind": "User", "name": "x"}]}
    await talk.post("tenants", tenant("two", planRef={}, state="Off", access=[access] * 2))
    await talk.post("plans", {**plan("nospec"), "spec": None})
    await talk.post("plans", plan("unknown", colour="red"))
    await talk.post("plans?fieldValidation=Ignore", plan("ignored", colour="red"))
    await talk.post("plans?fieldValidation=Strict", plan("strict", colour="red"), show=verdict)
    await talk.post("plans?fieldValidation=Sometimes", plan("sometimes"))


async def _typed(talk: Conversation) -> None:
    await talk.post("plans", {**plan("kindless"), "kind": None}, show=verdict)
    await talk.post("plans", {**plan("kinded"), "kind": "Tenant"})
    await talk.post("plans", {**plan("unknown-kind"), "kind": "Idea"})
    await talk.post("plans", {**plan("foreign"), "kind": "Pod", "apiVersion": "v1"}, show=verdict)
    future = {**plan("future"), "apiVersion": "tenantry.dev/v2"}
    await talk.post("plans", future, show=verdict, different=WRONG_WARNING)
    await talk.post("plans", {**plan("versionless"), "apiVersion": None}, show=verdict)


async def _managed(talk: Conversation) -> None:
    await talk.post("plans", plan("managed", meta={"managedFields": [{"manager": "x"}]}))
    await talk.post("plans", plan("managed-by"), headers={"User-Agent": "kubectl/v1.36 (linux)"})
    await talk.post("plans?fieldManager=alice", plan("by-alice"))
    await talk.post("plans?fieldManager=" + 129 * "a", plan("by-long"))
    await talk.post("plans?fieldManager=%07", plan("by-bell"))
    await talk.post("plans?fieldManager=caf%C3%A9", plan("by-cafe"))
    await talk.get("plans/$run-by-alice")
