"""Resources one at a time: optimistic concurrency, names, labels and plans."""

import asyncio
from dataclasses import replace

import pytest

from tenantry.model.errors import Code, TenantryError
from tenantry.model.resource import Resource, Verb
from tenantry.model.selectors import parse_labels
from tenantry.storage import changes, resources
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit
from tests.storage.samples import NOW, create, remove, rewrite, tenant
from tests.support.databases import opened


def names(unit: Unit, labels: str) -> list[str]:
    return [item.name for item in resources.page(unit, "Tenant", labels=parse_labels(labels), limit=100)]


async def test_every_column_comes_back(database: Database) -> None:
    item = Resource(
        kind="Config",
        namespace="eu1.acme-prod",
        name="web.acme",
        uid="0190c6f2-0000-7000-8000-000000000001",
        tenant_id="0190c6f2-0000-7000-8000-000000000002",
        generation=7,
        meta='{"annotations":{"note":"Grüße \N{ROCKET} \\\\ \' \\" %s ?"}}',
        spec='{"values":{"a":[1,2.5,null,true]}}',
        status='{"observedGeneration":7}',
        managed_by="eu1",
        source_uid="0190c6f2-0000-7000-8000-000000000003",
        source_generation=9,
        plan="pro",
        cells='["web","tenant"]',
        created_at=1_800_000_000_123_456,
        updated_at=1_800_000_000_654_321,
    )
    (stored,) = await database.run(create, item, write=True)
    assert stored == replace(item, seq=1)
    assert await database.run(resources.get, "Config", "eu1.acme-prod", "web.acme") == stored
    assert await database.run(resources.get_by_uid, item.uid) == stored
    changed = await database.run(rewrite, stored, stored, write=True)
    assert changed == replace(stored, seq=2)


async def test_what_is_not_there_is_none(database: Database) -> None:
    assert await database.run(resources.get, "Tenant", "", "acme") is None
    assert await database.run(resources.get_by_uid, "x") is None


async def test_a_name_is_taken_once_per_kind_and_namespace(database: Database) -> None:
    await database.run(create, tenant("acme"), write=True)
    await database.run(create, tenant("acme", kind="Plan"), tenant("acme", kind="Config", namespace="a"), write=True)
    with pytest.raises(TenantryError, match='Tenant "acme" already exists') as taken:
        await database.run(create, tenant("acme", {"a": "b"}), write=True)
    assert (taken.value.code, taken.value.kind, taken.value.name) == (Code.ALREADY_EXISTS, "Tenant", "acme")
    results = await asyncio.gather(
        *(database.run(create, tenant("globex"), write=True) for _ in range(8)), return_exceptions=True
    )
    assert [getattr(result, "code", None) for result in results].count(Code.ALREADY_EXISTS) == 7


async def test_an_update_needs_the_seq_that_was_read(database: Database) -> None:
    (first,) = await database.run(create, tenant("acme"), write=True)
    second = await database.run(rewrite, first, replace(first, generation=2), write=True)
    with pytest.raises(TenantryError) as conflict:
        await database.run(rewrite, first, replace(first, generation=2), write=True)
    assert (conflict.value.code, conflict.value.name) == (Code.CONFLICT, "acme")
    with pytest.raises(TenantryError) as conflict:
        await database.run(remove, first, write=True)
    assert conflict.value.code is Code.CONFLICT
    assert await database.run(resources.get_by_uid, first.uid) == second


async def test_a_name_is_free_after_its_deletion(database: Database) -> None:
    (first,) = await database.run(create, tenant("acme", {"ring": "a"}), write=True)
    await database.run(remove, first, write=True)
    assert await database.run(resources.get, "Tenant", "", "acme") is None
    assert await database.run(names, "ring") == []
    with pytest.raises(TenantryError) as gone:
        await database.run(rewrite, first, replace(first, generation=2), write=True)
    assert gone.value.code is Code.CONFLICT
    (second,) = await database.run(create, tenant("acme", {"ring": "b"}), write=True)
    assert await database.run(resources.get, "Tenant", "", "acme") == second
    assert await database.run(names, "ring=b") == ["acme"]


async def test_labels_follow_their_object(database: Database) -> None:
    (item,) = await database.run(create, tenant("acme", {"kept": "1", "moved": "1", "gone": "1"}), write=True)
    changed = await database.run(
        rewrite, item, replace(item, meta='{"labels":{"kept":"1","moved":"2","new":"1"}}', generation=2), write=True
    )
    found = {text: await database.run(names, text) for text in ("kept=1", "moved=1", "moved=2", "gone", "new=1")}
    assert {text for text, result in found.items() if result} == {"kept=1", "moved=2", "new=1"}

    def leave(unit: Unit) -> None:
        resources.update(unit, replace(changed, generation=3), changed.seq)
        changes.commit(unit, [changes.PendingChange(resource=changed, verb=Verb.MODIFIED, prev_labels={}, at=0)])

    await database.run(leave, write=True)
    assert await database.run(names, "kept=1,moved=2,new=1,!gone") == ["acme"]


async def test_the_users_of_a_plan_are_counted(database: Database) -> None:
    on_pro = [tenant(f"t-{n}", plan="pro") for n in range(5)]
    others = [tenant("other", plan="free"), tenant("layer", kind="Config", namespace="a", plan="pro")]
    await database.run(create, *[*on_pro, *others], write=True)
    assert await database.run(lambda unit: resources.count(unit, "Tenant", plan="pro")) == 5
    assert await database.run(lambda unit: resources.count(unit, "Tenant")) == 6


async def test_what_is_known_is_checked_with_what_follows_and_not_read(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(unit: Unit, name: str = "pro") -> Resource | None:
        return resources.known(unit, "Plan", "", name)

    plans = [tenant(name, kind="Plan", generation=1) for name in ("free", "pro")]
    async with opened(database_url) as database, opened(database_url) as other:
        _, plan = await database.run(create, *plans, write=True)
        for name in ("free", "pro"):
            assert await database.run(look, name, write=True)
        counted = await other.run(rewrite, plan, replace(plan, status='{"tenants":1}'), write=True)
        with monkeypatch.context() as patched:
            patched.setattr(resources, "get", None)
            assert await database.run(look, write=True) == plan  # the status may be older
        changed = await other.run(rewrite, counted, replace(counted, generation=2, updated_at=NOW + 1), write=True)
        with pytest.raises(TenantryError, match="was changed meanwhile") as lost:
            await database.run(look, write=True)
        assert (lost.value.code, lost.value.raced) == (Code.CONFLICT, True)
        with monkeypatch.context() as patched:
            patched.setattr(resources, "get", lambda *_: None)
            assert await database.run(look, "free", write=True) is None  # with one all were forgotten
        assert await database.run(look, write=True) == changed
        again = replace(changed, spec='{"displayName":"Another"}', updated_at=NOW + 2)
        again = await other.run(rewrite, changed, again, write=True)  # as after a restore: the same generation
        with pytest.raises(TenantryError, match="was changed meanwhile"):
            await database.run(look, write=True)
        assert await database.run(look, write=True) == again
        await other.run(remove, again, write=True)
        with pytest.raises(TenantryError, match="was changed meanwhile"):
            await database.run(look, write=True)
        assert await database.run(look, write=True) is None


async def test_what_this_process_changes_is_not_known_any_more(database: Database) -> None:
    def look(unit: Unit) -> Resource | None:
        return resources.known(unit, "Plan", "", "pro")

    (plan,) = await database.run(create, tenant("pro", kind="Plan"), write=True)
    assert await database.run(look, write=True) == plan
    changed = await database.run(rewrite, plan, replace(plan, generation=2), write=True)
    assert await database.run(look, write=True) == changed
    await database.run(remove, changed, write=True)
    assert await database.run(look, write=True) is None
