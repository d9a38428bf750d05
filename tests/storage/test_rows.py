"""The smaller tables: revisions, claims, tombstones, answers, keys, accounts, audit and work."""

import asyncio
from dataclasses import replace
from functools import partial

import pytest

from tenantry.model import ids
from tenantry.model.audit import AuditEvent, Filter, Result
from tenantry.model.errors import Code, TenantryError
from tenantry.model.identity import ApiKey
from tenantry.model.resource import Revision, Tombstone, Verb
from tenantry.storage import (
    audit,
    changes,
    claims,
    idempotency,
    keys,
    resources,
    revisions,
    tables,
    tombstones,
    work,
)
from tenantry.storage.changes import PendingChange
from tenantry.storage.db import Database
from tenantry.storage.idempotency import Answer
from tenantry.storage.unit import Unit
from tests.storage.samples import NOW, create, tenant

TENANT_ID = "0190c6f2-0000-7000-8000-000000000001"
KEY = ("Tenant", "", "acme", TENANT_ID)


def revision(number: int) -> Revision:
    return Revision(
        kind="Tenant", namespace="", name="acme", tenant_id=TENANT_ID, revision=number, generation=number,
        doc=f'{{"n":{number}}}', checksum="a" * 64, author="key:1", message="Grüße", created_at=NOW,
    )  # fmt: skip


async def test_revisions_are_numbered_paged_and_pruned(database: Database) -> None:
    assert await database.run(revisions.latest, KEY) == 0
    for number in range(1, 6):
        await database.run(revisions.append, revision(number), write=True)
    await database.run(revisions.append, replace(revision(1), tenant_id=ids.uuid7()), write=True)
    assert await database.run(revisions.latest, KEY) == 5
    assert await database.run(revisions.get, KEY, 3) == revision(3)
    assert await database.run(revisions.get, KEY, 6) is None
    first = await database.run(partial(revisions.page, limit=2), KEY)
    assert first == [revision(5), revision(4)]
    assert await database.run(partial(revisions.page, before=4, limit=9), KEY) == [revision(n) for n in (3, 2, 1)]
    assert await database.run(revisions.prune, KEY, 2, write=True) == 3
    assert await database.run(partial(revisions.page, limit=9), KEY) == first


async def test_a_value_is_claimed_once(database: Database) -> None:
    owners = await asyncio.gather(
        *(database.run(claims.claim, "hostname", "acme.example", f"uid-{n}", write=True) for n in range(16))
    )
    assert len(set(owners)) == 1
    owner = owners[0]
    assert await database.run(claims.find_owner, "hostname", "acme.example") == owner
    assert await database.run(claims.claim, "layer", "acme.example", "uid-x", write=True) == "uid-x"
    await database.run(claims.release, "hostname", "acme.example", "uid-x", write=True)
    assert await database.run(claims.find_owner, "hostname", "acme.example") == owner
    await database.run(claims.release, "hostname", "acme.example", owner, write=True)
    assert await database.run(claims.find_owner, "hostname", "acme.example") is None


async def test_claims_are_those_of_their_resource(database: Database) -> None:
    for value in ("b.example", "a.example"):
        await database.run(claims.claim, "hostname", value, "mine", write=True)
    await database.run(claims.claim, "hostname", "c.example", "yours", write=True)
    assert await database.run(claims.held_by, "mine") == [("hostname", "a.example"), ("hostname", "b.example")]
    await database.run(claims.release_all, "mine", write=True)
    assert await database.run(claims.held_by, "mine") == []
    assert await database.run(claims.held_by, "yours") == [("hostname", "c.example")]


async def test_a_tombstone_keeps_the_name(database: Database) -> None:
    stone = Tombstone(
        slug="acme", tenant_id=TENANT_ID, managed_by="api", last_doc='{"spec":{}}', deleted_at=NOW, purge_at=NOW + 5
    )
    await database.run(tombstones.put, stone, write=True)
    with pytest.raises(TenantryError) as taken:
        await database.run(tombstones.put, stone, write=True)
    assert taken.value.code is Code.NAME_TOMBSTONED
    assert await database.run(tombstones.get, "acme") == stone
    assert await database.run(tombstones.find_due, NOW + 4, 10) == []
    assert await database.run(tombstones.find_due, NOW + 5, 10) == [stone]
    assert await database.run(tombstones.purge, "acme", write=True)
    assert not await database.run(tombstones.purge, "acme", write=True)
    purged = replace(stone, last_doc="{}", purge_at=0)
    assert await database.run(tombstones.get, "acme") == purged
    assert await database.run(tombstones.find_due, NOW + 5, 10) == []
    assert await database.run(partial(tombstones.page, limit=1)) == [purged]
    assert await database.run(partial(tombstones.page, after="acme", limit=1)) == []
    assert not await database.run(tombstones.remove, stone, write=True)
    assert await database.run(tombstones.remove, purged, write=True)
    assert not await database.run(tombstones.remove, purged, write=True)
    assert await database.run(tombstones.get, "acme") is None


async def test_an_answer_is_given_again(database: Database) -> None:
    key, request = "k" * 64, "r" * 64

    def made(seq: int) -> Answer:
        return Answer(201, f'{{"seq":{seq}}}', (("ETag", f'"{seq}"'), ("Location", "/v1/é")), secret=True)

    def answer(unit: Unit, request_hash: str, at: int) -> tuple[bool, Answer]:
        stored = idempotency.begin(unit, key, request_hash, at=at, expires_at=at + 10)
        if stored is not None:
            return False, stored
        (created,) = create(unit, tenant(f"t-{at}"))
        new = made(created.seq)
        idempotency.finish(unit, key, new)
        return True, new

    results = await asyncio.gather(*(database.run(answer, request, NOW, write=True) for _ in range(8)))
    assert sorted(fresh for fresh, _ in results) == [False] * 7 + [True]
    assert {stored for _, stored in results} == {made(1)}
    with pytest.raises(TenantryError) as other:
        await database.run(answer, "x" * 64, NOW, write=True)
    assert other.value.code is Code.IDEMPOTENCY_MISMATCH
    assert await database.run(answer, "x" * 64, NOW + 10, write=True) == (True, made(2))
    assert await database.run(idempotency.forget_expired, NOW + 19, 10, write=True) == 0
    assert await database.run(idempotency.forget_expired, NOW + 20, 10, write=True) == 1


async def test_an_answer_that_the_release_before_kept_has_no_headers(database: Database) -> None:
    row = {"key": "k" * 64, "request_hash": "r" * 64, "status": 200, "body": "{}", "secret": 0, "expires_at": NOW + 10}
    await database.run(Unit.execute, tables.Idempotency.insert(row), write=True)
    assert await database.run(idempotency.find, "k" * 64, "r" * 64, NOW) == Answer(200, "{}")


async def test_an_answer_of_a_unit_that_failed_is_not_kept(database: Database) -> None:
    def fail(unit: Unit) -> None:
        assert idempotency.begin(unit, "k" * 64, "r" * 64, at=NOW, expires_at=NOW + 10) is None
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            await database.run(fail, write=True)


async def test_keys_come_back_without_their_secret(database: Database) -> None:
    key = ApiKey(
        id="a" * 16, name="ci", secret_sha="b" * 64, scopes=("platform:read", "x"), owner="ci", tenant_id=TENANT_ID,
        created_by="local-admin", created_at=NOW, expires_at=NOW + 9, allowed_cidrs=("10.0.0.0/8",),
    )  # fmt: skip
    platform = replace(key, id="c" * 16, tenant_id="", allowed_cidrs=())
    for one in (key, platform):
        await database.run(keys.insert, one, write=True)
    assert await database.run(keys.get, key.id) == key
    assert await database.run(keys.get, "d" * 16) is None
    assert await database.run(partial(keys.page, tenant_id=TENANT_ID, limit=9)) == [key]
    assert await database.run(partial(keys.page, limit=9)) == [platform]
    assert await database.run(partial(keys.page, after=platform.id, limit=9)) == []
    assert await database.run(keys.revoke, key.id, NOW + 1, write=True)
    assert not await database.run(keys.revoke, key.id, NOW + 2, write=True)
    assert await database.run(keys.get, key.id) == replace(key, revoked_at=NOW + 1)


async def test_the_last_use_is_noted_once_a_minute(database: Database) -> None:
    key = ApiKey(id="a" * 16, name="ci", secret_sha="b" * 64, scopes=(), owner="ci")
    await database.run(keys.insert, key, write=True)
    minute = 60_000_000
    noted = [await database.run(keys.note_use, key.id, NOW + late, write=True) for late in (0, 1, minute - 1, minute)]
    assert noted == [True, False, False, True]
    assert await database.run(keys.get, key.id) == replace(key, last_used_at=NOW + minute)


def event(**columns: object) -> AuditEvent:
    return AuditEvent(**{"id": ids.uuid7(), "at": NOW, "actor": "key:1", "action": "create"} | columns)  # type: ignore[arg-type]


async def test_an_audit_row_has_the_seq_of_its_change(database: Database) -> None:
    item, told = tenant("acme"), event(kind="Tenant", name="acme", tenant_id=TENANT_ID, diff='{"a":1}')

    def unit(unit: Unit) -> None:
        resources.insert(unit, item, {})
        change = PendingChange(resource=item, verb=Verb.ADDED, prev_labels={}, at=NOW, audit=told)
        changes.commit(unit, [change])

    await database.run(create, tenant("other"), write=True)
    await database.run(unit, write=True)
    assert await database.run(partial(audit.page, limit=10)) == [replace(told, seq=2)]


async def test_audit_rows_are_filtered_and_paged_newest_first(database: Database) -> None:
    events = [
        event(kind="Tenant", name="acme", tenant_id=TENANT_ID, actor="key:2"),
        event(kind="Tenant", name="acme", tenant_id=TENANT_ID),
        event(kind="Config", namespace="a", name="web"),
        event(action="key.create", result=Result.DENIED),
    ]
    events = [replace(one, id=f"{TENANT_ID[:-1]}{number}") for number, one in enumerate(events)]
    await database.run(audit.append, *events, write=True)
    for wanted, expected in (
        (Filter(), [3, 2, 1, 0]),
        (Filter(tenant_id=TENANT_ID), [1, 0]),
        (Filter(kind="Config"), [2]),
        (Filter(kind="Tenant", name="acme", actor="key:2"), [0]),
        (Filter(namespace="a"), [2]),
        (Filter(action="key.create"), [3]),
        (Filter(result="denied"), [3]),
    ):
        assert await database.run(audit.page, wanted) == [events[number] for number in expected], wanted
    assert await database.run(partial(audit.page, limit=2)) == [events[3], events[2]]
    assert await database.run(partial(audit.page, before=events[2].id)) == [events[1], events[0]]


async def test_work_that_is_asked_for_again_is_not_lost(database: Database) -> None:
    await database.run(work.add, "status", ["b", "a"], NOW, write=True)
    await database.run(work.add, "status", [], NOW, write=True)
    await database.run(work.add, "other", ["a"], NOW, write=True)
    taken = await database.run(work.take, "status", 10)
    assert [(item.key, item.version) for item in taken] == [("a", 1), ("b", 1)]
    await database.run(work.add, "status", ["b"], NOW + 1, write=True)
    await database.run(work.finish, "status", taken, write=True)
    (left,) = await database.run(work.take, "status", 10)
    assert (left.key, left.version, left.added_at) == ("b", 2, NOW)
    assert await database.run(work.depth, "status") == 1
    await database.run(work.finish, "status", [left], write=True)
    assert await database.run(work.depth, "status") == 0
    assert await database.run(work.depth, "other") == 1


async def test_a_plan_asks_for_its_tenants(database: Database) -> None:
    users = [tenant(f"t-{n}", plan="pro") for n in range(3)]
    others = [tenant("free", plan="free"), tenant("layer", kind="Config", namespace="a", plan="pro")]
    await database.run(create, *[*users, *others], write=True)
    await database.run(work.add, work.STATUS, [users[0].uid], NOW, write=True)
    await database.run(work.add_users_of_plan, "pro", NOW + 1, write=True)
    found = {item.key: item.version for item in await database.run(work.take, work.STATUS, 10)}
    assert found == {users[0].uid: 2, users[1].uid: 1, users[2].uid: 1}
