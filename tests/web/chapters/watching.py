"""Watching: events in order, with selectors, from a version on, and bookmarks."""

from __future__ import annotations

from tests.support.conversation import Conversation, Different
from tests.web.chapters.documents import CONFIGS, GOLD, RUN, config, plan, rows, verdict
from tests.web.chapters.reading import METADATA, NEVER_5XX, TABLE

LEAVING = Different("what leaves a selector is shown as it is now: the log keeps labels from before, not whole objects")


async def watching(talk: Conversation) -> None:
    """Live, with selectors, resumed and refused."""
    await _live(talk)
    await _selected(talk)
    await _resumed(talk)
    await _initial(talk)
    await _forms(talk)
    await _refused(talk)
    await _ending(talk)


async def _live(talk: Conversation) -> None:
    await talk.get(f"plans?{RUN}")
    stream = await talk.watch(f"plans?{RUN}&resourceVersion=$list")
    await talk.post("plans", plan())
    await talk.patch(GOLD, {"spec": {"displayName": "Golden"}})
    await talk.patch(GOLD, {"spec": {"displayName": "Golden"}})  # changes nothing
    await talk.patch(f"{GOLD}?dryRun=All", {"spec": {"displayName": "Dry"}})
    await talk.patch(GOLD, {"metadata": {"finalizers": ["tenantry.dev/a"]}})
    await talk.delete(GOLD)
    await talk.patch(GOLD, {"metadata": {"finalizers": None}})
    await talk.post("plans", plan())
    await stream.expect(6)


async def _selected(talk: Conversation) -> None:
    await talk.get(f"plans?{RUN}")
    labelled = await talk.watch(f"plans?{RUN},tier%3Dlow&resourceVersion=$list")
    named = await talk.watch("plans?fieldSelector=metadata.name%3D$run-iron&resourceVersion=$list")
    other = await talk.watch(f"plans?{RUN},!tier&resourceVersion=$list")
    await talk.post("plans", plan("iron"))
    await talk.patch("plans/$run-iron", {"metadata": {"labels": {"tier": "low"}}})
    await talk.patch("plans/$run-iron", {"spec": {"displayName": "Iron"}})
    await talk.patch(GOLD, {"spec": {"displayName": "Other"}})
    await talk.patch("plans/$run-iron", {"metadata": {"labels": {"tier": "high"}}})
    await talk.patch("plans/$run-iron", {"metadata": {"labels": {"tier": "low"}}})
    await talk.delete("plans/$run-iron")
    await labelled.expect(2)
    await labelled.expect(1, different=LEAVING)
    await labelled.expect(2)
    await named.expect(6)
    await other.expect(1)
    await other.expect(1, different=LEAVING)


async def _resumed(talk: Conversation) -> None:
    await talk.patch(GOLD, {"spec": {"displayName": "First"}})
    await talk.patch(GOLD, {"spec": {"displayName": "Second"}})
    await talk.patch(GOLD, {"spec": {"displayName": "Third"}})
    whole = await talk.watch("plans?fieldSelector=metadata.name%3D$run-gold&resourceVersion=$rv(gold,1)")
    await whole.expect(3)
    one = await talk.watch("plans?fieldSelector=metadata.name%3D$run-gold&resourceVersion=$rv(gold)")
    await talk.patch(GOLD, {"spec": {"displayName": "Fourth"}})
    await one.expect(1)
    await whole.expect(1)


async def _initial(talk: Conversation) -> None:
    await talk.post(CONFIGS, config("a"))
    await talk.post(CONFIGS, config("b"))
    now = await talk.watch(CONFIGS)
    await now.expect(2)
    cached = await talk.watch(f"{CONFIGS}?resourceVersion=0")
    await cached.expect(2)
    listed = f"{CONFIGS}?sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
    stream = await talk.watch(listed)
    await stream.expect(3)
    at_zero = await talk.watch(f"{listed}&resourceVersion=0")
    await at_zero.expect(3)
    await talk.get(CONFIGS)
    at_list = await talk.watch(f"{listed}&resourceVersion=$list&labelSelector=none")
    await at_list.expect(1)
    silent = await talk.watch(f"{CONFIGS}?sendInitialEvents=false&resourceVersionMatch=NotOlderThan")
    await talk.delete(f"{CONFIGS}/a")
    for each in (now, cached, stream, at_zero, silent):
        await each.expect(1)


async def _forms(talk: Conversation) -> None:
    await talk.get(CONFIGS)
    table = await talk.watch(f"{CONFIGS}?resourceVersion=$list", accept=TABLE, show=rows)
    partial = await talk.watch(f"{CONFIGS}?resourceVersion=$list", accept=METADATA)
    await talk.post(CONFIGS, config("c"))
    await talk.delete(f"{CONFIGS}/c")
    for each in (table, partial):
        await each.expect(2)


async def _refused(talk: Conversation) -> None:
    for query in (
        "sendInitialEvents=true",
        "sendInitialEvents=true&resourceVersionMatch=Exact",
        "resourceVersionMatch=NotOlderThan",
        "labelSelector=a%3Db%3Dc",
        "fieldSelector=spec.displayName%3Dx",
        "timeoutSeconds=soon",
    ):
        await talk.get(f"plans?watch=true&{query}", show=verdict if "soon" in query else None)
    for spelling in ("1", "True", "yes", ""):
        await talk.get(f"plans?watch={spelling}&sendInitialEvents=true")
    await talk.get(f"plans?watch=0&{RUN}")
    await talk.get("plans?watch=true&resourceVersion=old", different=NEVER_5XX)


async def _ending(talk: Conversation) -> None:
    await talk.get(CONFIGS)
    await talk.post(CONFIGS, config("unseen"))
    stream = await talk.watch(f"{CONFIGS}?resourceVersion=$list&timeoutSeconds=1")
    marked = await talk.watch(f"{CONFIGS}?{RUN},x&resourceVersion=$list&timeoutSeconds=6&allowWatchBookmarks=true")
    await talk.patch(f"{CONFIGS}/unseen", {"spec": {"values": {"a": 1}}})  # kube-apiserver marks what is new only
    await stream.expect(1)
    await stream.expect_end()
    await marked.expect(1)
    await marked.expect_end()
