"""Webhooks: real receivers, which verify with the standard's own library, are told of everything that is theirs."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tenantry.model import ids
from tenantry.model.permissions import Role
from tenantry.model.webhooks import DELAYS, DeliveryState, Webhook
from tenantry.services import outbound, worker
from tenantry.services.webhooks import deliveries as sending
from tenantry.services.webhooks import events, queue
from tenantry.storage import deliveries, webhooks
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit
from tests.support.application import Application
from tests.support.people import add_member, add_session, add_user, browser
from tests.support.receiver import Receiver, running_receiver
from tests.support.server import running_server

PLATFORM = "/v1/webhooks"
ALLOW: dict[str, Any] = {"outbound_allow": ("127.0.0.1",), "outbound_allow_tenants": ("127.0.0.1",)}


@pytest.fixture
async def v1(tmp_path: Path) -> AsyncIterator[Application]:
    async with running_server(tmp_path, **ALLOW) as server, server.session() as session:
        yield Application(session, server)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as found:
        yield found


async def listen(api: Application, receiver: Receiver, path: str = PLATFORM, **body: Any) -> dict[str, Any]:
    """A new webhook to `receiver`, which knows its secret."""
    made = await api.post(path, {"url": receiver.url, **body})
    assert made.status == 201, made.body
    receiver.secret = made.body["secret"]
    return dict(made.body["webhook"])


async def store(api: Application, hook: dict[str, Any], **columns: Any) -> None:
    """Change a webhook in the database."""

    def write(unit: Unit) -> None:
        found = webhooks.get(unit, hook["id"])
        assert found
        assert webhooks.update(unit, replace(found, **columns, updated_at=found.updated_at + 1), found)

    await api.server.services.db.run(write, write=True)


async def settled(api: Application, hook: dict[str, Any], path: str = PLATFORM) -> list[dict[str, Any]]:
    """The deliveries once none is being sent."""
    path = f"{path}/{hook['id']}/deliveries"
    found = await until(api, path, lambda page: page["items"] and all(e["state"] != "Pending" for e in page["items"]))
    return list(found["items"])


async def until(api: Application, path: str, is_so: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """What is found at `path`, once it is so."""
    async with asyncio.timeout(30):
        while True:
            found = (await api.get(path)).body
            if is_so(found):
                return dict(found)
            await asyncio.sleep(0.02)


async def suspend(api: Application, name: str, state: str) -> None:
    await api.patch(f"tenants/{name}", {"spec": {"state": state}})


@pytest.mark.slow
async def test_the_platform_is_told_of_every_tenant(v1: Application, receiver: Receiver) -> None:
    await v1.tenant("before")
    hook = await listen(v1, receiver)
    tenant = (await v1.tenant("acme"))["status"]["tenantID"]
    seen = (await v1.get("/v1/tenants/acme")).body["metadata"]["resourceVersion"]
    await v1.create("plans", "pro", {"displayName": "Pro"})  # which the status of the tenant tells, and no message
    await until(v1, "/v1/tenants/acme", lambda found: found["metadata"]["resourceVersion"] != seen)
    await v1.patch("tenants/acme", {"spec": {"displayName": "Two"}, "metadata": {"labels": {"a": "b"}}})
    await suspend(v1, "acme", "Suspended")
    await suspend(v1, "acme", "Active")
    await v1.create(
        "configs", "web", {"configSet": "web", "scope": {"global": {}}, "values": {"a": 1}}, namespace="default"
    )
    await v1.patch("namespaces/default/configs/web", {"metadata": {"labels": {"a": "b"}}})
    await v1.delete("tenants/acme")
    came = [await receiver.next() for _ in range(6)]
    assert {message.type: message.body["data"].get("changed") for message in came} == {
        "tenant.created": None,
        "tenant.updated": ["metadata.labels", "spec.displayName"],
        "tenant.suspended": ["spec.state"],
        "tenant.resumed": ["spec.state"],
        "config.published": None,
        "tenant.deleted": None,
    }
    first = next(message for message in came if message.type == "tenant.created")
    assert first.body["data"]["tenantID"] == tenant
    assert first.body["data"]["object"]["name"] == "acme"
    assert first.body["timestamp"].endswith("Z")
    assert len({message.id for message in came}) == 6
    sent = await settled(v1, hook)
    assert {each["eventID"] for each in sent} == {message.id for message in came}
    assert {(each["state"], each["status"], each["tries"], each["excerpt"]) for each in sent} == {
        ("Delivered", 200, 1, "thanks")
    }


async def test_a_tenant_is_told_of_itself_and_of_what_it_asks_for(v1: Application, receiver: Receiver) -> None:
    await v1.tenant("acme")
    await v1.tenant("other")
    path = "/v1/tenants/acme/webhooks"
    hook = await listen(v1, receiver, path, events=["tenant.suspended"])
    await suspend(v1, "other", "Suspended")
    await v1.patch("tenants/acme", {"spec": {"displayName": "Two"}})
    await suspend(v1, "acme", "Suspended")
    message = await receiver.next()
    assert (message.type, message.body["data"]["object"]["name"]) == ("tenant.suspended", "acme")
    assert len(await settled(v1, hook, path)) == 1
    assert await v1.items(PLATFORM) == []
    assert (await v1.get(f"{PLATFORM}/{hook['id']}")).status == 404
    assert (await v1.get(f"/v1/tenants/other/webhooks/{hook['id']}")).status == 404


async def test_what_is_not_taken_is_sent_again(
    v1: Application, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "DELAYS", (0,) * len(DELAYS))
    receiver.statuses = [500, 302, 404]
    hook = await listen(v1, receiver)
    await v1.tenant("acme")
    assert len({(await receiver.next()).id for _ in range(4)}) == 1
    (sent,) = await settled(v1, hook)
    assert (sent["state"], sent["tries"], sent["status"], "error" in sent) == ("Delivered", 4, 200, False)
    assert "failingSince" not in (await v1.get(f"{PLATFORM}/{hook['id']}")).body


async def test_what_waits_for_another_try_can_be_sent_now(
    stored: Application, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "DELAYS", (10**6,) * len(DELAYS))
    receiver.statuses = [503]
    hook = await listen(stored, receiver)
    path = f"{PLATFORM}/{hook['id']}/deliveries"
    await stored.tenant("acme")
    first = await receiver.next()
    (tried,) = (await until(stored, path, lambda page: page["items"][0]["tries"]))["items"]
    assert tried["state"] == "Pending"
    monkeypatch.setattr(queue, "WAITING_OF_PLATFORM", 1)  # it is one of those that wait already
    assert (await stored.post(f"{path}/{tried['id']}:replay")).status == 200
    assert (await receiver.next()).id == first.id
    (sent,) = await settled(stored, hook)
    assert (sent["state"], sent["tries"]) == ("Delivered", 1)


async def test_who_never_takes_anything_is_disabled(
    v1: Application, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "DELAYS", (0,) * len(DELAYS))
    monkeypatch.setattr(sending, "_LONGEST_US", 0)
    receiver.statuses = [500] * 10
    receiver.answer = f"no tnk_{'a' * 16}_{'b' * 43}_cccccc\0" + "x" * 2000
    hook = await listen(v1, receiver)
    await v1.tenant("acme")
    (sent,) = await settled(v1, hook)
    assert (sent["state"], sent["tries"], sent["error"]) == ("Failed", 10, "it answered with the status 500")
    assert sent["excerpt"].startswith(f"no tnk_{'a' * 16}_***")
    assert len(sent["excerpt"]) <= 500
    now = (await v1.get(f"{PLATFORM}/{hook['id']}")).body
    assert (now["state"], now["reason"]) == ("Disabled", "nothing was taken in 10 tries")
    (row,) = await v1.items("/v1/audit?action=webhook.disable")
    assert (row["actor"], row["name"]) == ("worker", hook["id"])
    assert (await v1.post(f"{PLATFORM}/{hook['id']}:ping")).code == "conflict"
    await v1.tenant("missed")
    enabled = await v1.call("PATCH", f"{PLATFORM}/{hook['id']}", {"state": "Enabled"})
    assert (enabled.body["state"], "reason" in enabled.body) == ("Enabled", False)
    replayed = await v1.post(f"{PLATFORM}/{hook['id']}/deliveries/{sent['id']}:replay")
    assert (replayed.status, replayed.body["state"]) == (200, "Pending")
    again = await settled(v1, hook)
    assert [(each["eventID"], each["state"], each["tries"]) for each in again] == [(sent["eventID"], "Delivered", 1)]


@pytest.mark.slow
async def test_who_is_gone_is_disabled_at_once_and_others_are_told(v1: Application, receiver: Receiver) -> None:
    tenant = (await v1.tenant("acme"))["status"]["tenantID"]
    path = "/v1/tenants/acme/webhooks"
    async with running_receiver() as own, running_receiver() as of_platform:
        await listen(v1, own, path, events=["webhook.disabled"])
        await listen(v1, of_platform, events=["webhook.disabled"])
        receiver.statuses = [410]
        hook = await listen(v1, receiver, path, description="billing")
        async with v1.as_key("webhooks:write", tenant_id=tenant) as key:
            await key.post(f"/v1/webhooks/{hook['id']}:ping")
        await receiver.next()
        for message in (await own.next(), await of_platform.next()):
            about = {"id": hook["id"], "description": "billing"}
            assert message.type == "webhook.disabled"
            assert message.body["data"] == {
                "webhook": about, "tenantID": tenant, "reason": "it says that it is gone"
            }  # fmt: skip
    assert (await v1.get(f"{path}/{hook['id']}")).body["state"] == "Disabled"


@pytest.fixture
async def stored(tmp_path: Path, database_url: str) -> AsyncIterator[Application]:
    """The same on each database."""
    async with running_server(tmp_path, database_url=database_url, **ALLOW) as server, server.session() as session:
        yield Application(session, server)


async def wait_no_more(api: Application) -> None:
    """Have everything that waits be sent now."""

    def hasten(unit: Unit) -> None:
        for each in deliveries.pending(unit):
            for delivery in deliveries.page(unit, each.webhook_id, limit=99):
                if delivery.state is DeliveryState.PENDING:
                    deliveries.save(unit, replace(delivery, next_at=1), delivery)

    await api.server.services.db.run(hasten, write=True)


@pytest.mark.slow
async def test_as_many_wait_as_may_and_the_log_tells_of_the_others(
    stored: Application, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "WAITING_OF_PLATFORM", 3)
    receiver.statuses = [500] * 99
    hook = await listen(stored, receiver)
    path = f"{PLATFORM}/{hook['id']}"
    for number in range(5):
        await stored.tenant(f"t{number}")
    log = (await until(stored, f"{path}/deliveries", lambda page: len(page["items"]) == 5))["items"]
    assert sorted(each["state"] for each in log) == ["Failed"] * 2 + ["Pending"] * 3
    dropped = next(each for each in log if each["state"] == "Failed")
    assert dropped["tries"] == 0
    assert dropped["error"] == "it was not sent: 3 messages wait for the webhook already"
    assert (await stored.get(path)).body["droppingSince"]
    (row,) = await stored.items("/v1/audit?action=webhook.drop")  # one, however many are dropped
    assert (row["actor"], row["name"]) == ("worker", hook["id"])
    assert (await stored.post(f"{path}:ping")).code == "conflict"
    assert (await stored.post(f"{path}/deliveries/{dropped['id']}:replay")).code == "conflict"
    for _ in range(3):
        await receiver.next()
    await until(
        stored,
        f"{path}/deliveries",
        lambda page: all(each["tries"] for each in page["items"] if each["state"] == "Pending"),
    )
    receiver.statuses = []
    await wait_no_more(stored)
    await stored.patch("tenants/t0", {"metadata": {"labels": {"a": "b"}}})  # which the worker sees
    await settled(stored, hook)
    replayed = await stored.post(f"{path}/deliveries/{dropped['id']}:replay")
    assert replayed.status == 200, replayed.body
    again = await receiver.next()
    while again.id != dropped["eventID"]:
        again = await receiver.next()
    await stored.tenant("last")
    await until(stored, path, lambda found: "droppingSince" not in found)


async def test_a_tenant_fills_no_more_than_its_part(
    stored: Application, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "WAITING_OF_TENANT", 2)
    await stored.tenant("acme")
    await stored.tenant("other")
    receiver.statuses = [500] * 9
    hooks = [await listen(stored, receiver, "/v1/tenants/acme/webhooks") for _ in range(3)]
    async with running_receiver() as another:
        await listen(stored, another, "/v1/tenants/other/webhooks")
        for name in ("acme", "other"):
            await suspend(stored, name, "Suspended")
        assert (await another.next()).type == "tenant.suspended"
    states = []
    for hook in hooks:
        path = f"/v1/tenants/acme/webhooks/{hook['id']}/deliveries"
        states += (await until(stored, path, lambda page: page["items"]))["items"]
    assert sorted(each["state"] for each in states) == ["Failed", "Pending", "Pending"]
    (dropped,) = [each for each in states if each["state"] == "Failed"]
    assert dropped["error"] == "it was not sent: 2 messages wait for webhooks of the tenant already"


@pytest.mark.slow
async def test_what_waits_and_how_tries_end_is_measured(
    v1: Application, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "HOUSEKEEPING", 0.0)

    async def shown(name: str) -> float:
        async with v1.session.get(f"{v1.server.ops_url}/metrics") as answer:
            found = re.search(rf"^{name} (\S+)$", await answer.text(), re.MULTILINE)
            return float(found[1]) if found else 0.0

    async def until_shown(name: str, is_so: Callable[[float], bool]) -> None:
        async with asyncio.timeout(30):
            while True:
                if is_so(await shown(name)):
                    return
                await asyncio.sleep(0.02)

    attempts = 'tenantry_webhook_attempts_total\\{outcome="%s"\\}'
    before = {outcome: await shown(attempts % outcome) for outcome in ("delivered", "refused", "unreachable")}
    receiver.statuses = [500]
    hook = await listen(v1, receiver)
    await v1.post(f"{PLATFORM}/{hook['id']}:ping")
    await receiver.next()
    await until_shown("tenantry_webhook_messages_pending", lambda value: value == 1)
    await until_shown("tenantry_webhook_oldest_pending_seconds", lambda value: value > 0)
    await wait_no_more(v1)
    await v1.call("PATCH", f"{PLATFORM}/{hook['id']}", {"description": "x"})
    await receiver.next()
    await until_shown("tenantry_webhook_messages_pending", lambda value: value == 0)
    assert await shown("tenantry_webhook_oldest_pending_seconds") == 0
    made = await v1.post(PLATFORM, {"url": "https://receiver.invalid"})
    await v1.post(f"{PLATFORM}/{made.body['webhook']['id']}:ping")
    await until_shown(attempts % "unreachable", lambda value: value == before["unreachable"] + 1)
    assert await shown(attempts % "delivered") == before["delivered"] + 1
    assert await shown(attempts % "refused") == before["refused"] + 1


@pytest.mark.slow
async def test_who_is_slow_holds_up_nobody_else(v1: Application, receiver: Receiver) -> None:
    async with running_receiver() as slow:
        slow.statuses = [0] * 20
        await listen(v1, slow)
        for number in range(6):
            await v1.tenant(f"early-{number}")
        await slow.next()
        await listen(v1, receiver)
        await v1.tenant("acme")
        assert (await receiver.next()).body["data"]["object"]["name"] == "acme"
        assert len(slow.seen) <= 4


@pytest.mark.slow
async def test_who_is_slow_keeps_nobody_from_their_turn(
    v1: Application, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenant may have 50 webhooks, and much that waits for each: as many as are sent to at a time."""
    monkeypatch.setattr(sending, "WEBHOOKS_AT_ONCE", 1)
    monkeypatch.setattr(outbound, "SECONDS", 0.2)
    async with running_receiver() as slow:
        slow.statuses = [0] * 100
        hook = await listen(v1, slow)
        for _ in range(60):
            assert (await v1.post(f"{PLATFORM}/{hook['id']}:ping")).status == 200
        other = await listen(v1, receiver)
        assert (await v1.post(f"{PLATFORM}/{other['id']}:ping")).status == 200
        await receiver.next()
        assert len(slow.seen) < 60


@pytest.mark.slow
async def test_receivers_that_hang_leave_room_for_other_tenants(
    v1: Application, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They hang until the end of the test: what comes to others at all, comes beside them."""
    monkeypatch.setattr(sending, "WEBHOOKS_AT_ONCE", 3)
    monkeypatch.setattr(sending, "WEBHOOKS_OF_ONE", 2)
    monkeypatch.setattr(outbound, "SECONDS", 600)
    await v1.tenant("acme")
    await v1.tenant("other")

    async def ping(tenant: str, it: Receiver) -> None:
        hook = await listen(v1, it, f"/v1/tenants/{tenant}/webhooks")
        assert (await v1.post(f"/v1/tenants/{tenant}/webhooks/{hook['id']}:ping")).status == 200

    async with running_receiver() as one, running_receiver() as two, running_receiver() as three:
        for slow in (one, two, three):
            slow.statuses = [0] * 9
            await ping("acme", slow)
            if slow is not three:
                await slow.next()
        await ping("other", receiver)
        await receiver.next()
        assert not three.seen


async def test_a_new_secret_signs_beside_the_old_one(v1: Application, receiver: Receiver) -> None:
    hook = await listen(v1, receiver)
    rotated = await v1.post(f"{PLATFORM}/{hook['id']}:rotate", idempotency_key="k")
    assert rotated.status == 200
    assert rotated.body["secret"] != receiver.secret
    assert (await v1.post(f"{PLATFORM}/{hook['id']}:rotate", idempotency_key="k")).code == "secret_already_shown"
    for secret in (receiver.secret, rotated.body["secret"]):
        receiver.secret = secret
        sent = await v1.post(f"{PLATFORM}/{hook['id']}:ping")
        assert sent.status == 200
        message = await receiver.next()
        assert (message.type, message.id, message.signatures) == ("webhook.ping", sent.body["eventID"], 2)

    def age(unit: Any) -> None:
        found = webhooks.get(unit, hook["id"])
        assert found
        assert webhooks.update(unit, replace(found, old_secret_until=1, updated_at=found.updated_at + 1), found)

    await v1.server.services.db.run(age, write=True)
    await v1.post(f"{PLATFORM}/{hook['id']}:ping")
    assert (await receiver.next()).signatures == 1
    assert [row["action"] for row in await v1.items("/v1/audit?kind=Webhook&action=webhook.rotate")] == [
        "webhook.rotate"
    ]


async def test_a_secret_that_nobody_can_read_is_replaced_at_once(v1: Application, receiver: Receiver) -> None:
    hook = await listen(v1, receiver)
    sealed = v1.server.services.encryption.encrypt(b"whsec_eA==", "with a key that is lost")
    await store(v1, hook, secret=sealed)
    receiver.secret = (await v1.post(f"{PLATFORM}/{hook['id']}:rotate")).body["secret"]
    await v1.post(f"{PLATFORM}/{hook['id']}:ping")
    assert (await receiver.next()).signatures == 1


async def test_one_whose_address_would_not_be_taken_today_can_be_disabled(v1: Application, receiver: Receiver) -> None:
    hook = await listen(v1, receiver)
    await store(v1, hook, url=f"{receiver.url} ")
    path = f"{PLATFORM}/{hook['id']}"
    assert (await v1.call("PATCH", path, {"description": "old"})).body["errors"][0]["path"] == "url"
    assert (await v1.call("PATCH", path, {"state": "Disabled"})).status == 200
    assert (await v1.call("PATCH", path, {"state": "Enabled"})).status == 422
    assert (await v1.call("PATCH", path, {"state": "Enabled", "url": receiver.url})).status == 200


async def test_nothing_is_lost_over_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "DELAYS", (0,) * len(DELAYS))
    async with running_receiver() as receiver:
        async with running_server(tmp_path, **ALLOW) as server, server.session() as session:
            hook = await listen(Application(session, server), receiver)
            receiver.statuses = [0] * 4
            await Application(session, server).tenant("one")
            first = await receiver.next()  # which is cut off: its answer never comes
        db = await Database.open(f"sqlite:///{tmp_path / 'data' / 'tenantry.db'}")
        (waiting,) = await db.run(lambda unit: deliveries.page(unit, hook["id"], limit=9))
        assert waiting.event_id == first.id
        await db.close()
        receiver.statuses = []
        async with running_server(tmp_path, **ALLOW) as server, server.session() as session:
            assert (await receiver.next()).id == first.id
            await Application(session, server).tenant("two")
            assert (await receiver.next()).body["data"]["object"]["name"] == "two"


async def test_what_happened_while_nobody_looked_is_told_once(tmp_path: Path, database_url: str) -> None:
    async with running_server(tmp_path, database_url=database_url) as server, server.session() as session:
        api, db = Application(session, server), server.services.db
        made = await api.post(PLATFORM, {"url": "https://receiver.example/hook"})
        assert made.status == 201, made.body
        for number in range(5):
            await api.tenant(f"t{number}")
        other = await Database.open(database_url)
        try:
            tells = [each.run(events.tell, write=True) for each in (db, other) * 10]
            await asyncio.gather(*tells, return_exceptions=True)
            while await db.run(events.is_behind):
                await asyncio.gather(db.run(events.tell, write=True), return_exceptions=True)
        finally:
            await other.close()
        told = [
            json.loads(each["body"]) for each in await api.items(f"{PLATFORM}/{made.body['webhook']['id']}/deliveries")
        ]
        assert sorted(each["data"]["object"]["name"] for each in told) == [f"t{number}" for number in range(5)]
        assert {each["type"] for each in told} == {"tenant.created"}


async def test_rows_are_the_same_on_every_database(database: Database) -> None:
    now = ids.now_micros()
    hook = Webhook(id=ids.uuid7(), tenant_id="", url="https://é.example", events=("tenant.created",), created_at=now)
    await database.run(webhooks.insert, hook, write=True)
    assert await database.run(webhooks.enabled) == [hook]
    message = queue.message(hook.id, events.ping(""))
    assert await database.run(deliveries.insert, message, write=True)
    assert not await database.run(deliveries.insert, replace(message, id=ids.uuid7()), write=True)
    assert await database.run(deliveries.waiting, message.next_at) == {hook.id: hook.tenant_id}
    assert await database.run(deliveries.waiting, message.next_at - 1) == {}
    assert await database.run(deliveries.due, hook.id, message.next_at, 9) == [message]
    done = replace(message, state=DeliveryState.DELIVERED, tries=1, excerpt="ü" * 500)
    saved = [database.run(deliveries.save, done, message, write=True) for _ in range(5)]
    assert sum(await asyncio.gather(*saved)) == 1
    await database.run(deliveries.forget, hook.id, 0, write=True)
    assert await database.run(deliveries.get, hook.id, message.id) is None
    await database.run(lambda unit: webhooks.note_try(unit, hook.id, now, good=False), write=True)
    await database.run(lambda unit: webhooks.note_try(unit, hook.id, now + 9, good=False), write=True)
    assert await database.run(webhooks.get, hook.id) == replace(hook, failing_since=now)
    await database.run(lambda unit: webhooks.note_try(unit, hook.id, now, good=True), write=True)
    assert await database.run(webhooks.get, hook.id) == hook


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"url": "ftp://receiver.example"}, "url"),
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": "https://[::1]/"}, "url"),
        ({"url": "https://user:pw@receiver.example"}, "url"),
        ({"url": "receiver.example"}, "url"),
        ({"events": ["tenant.created", "nothing"]}, "events[1]"),
        ({"url": 1}, "url"),
    ],
)
async def test_what_is_wrong_is_named(v1: Application, body: dict[str, Any], path: str) -> None:
    refused = await v1.post(PLATFORM, {"url": "https://receiver.example", **body})
    assert (refused.status, refused.code) == (422, "invalid")
    assert [error["path"] for error in refused.body["errors"]] == [path]


async def test_a_name_that_leads_inside_is_told_nothing(tmp_path: Path, receiver: Receiver) -> None:
    async with running_server(tmp_path) as server, server.session() as session:
        api = Application(session, server)
        made = await api.post(PLATFORM, {"url": receiver.url.replace("http://127.0.0.1", "https://localhost")})
        assert made.status == 201, made.body
        sent = await api.post(f"{PLATFORM}/{made.body['webhook']['id']}:ping")
        path = f"{PLATFORM}/{made.body['webhook']['id']}/deliveries/{sent.body['id']}"
        tried = await until(api, path, lambda found: found["tries"] > 0)
        assert "is no public address" in tried["error"]
        assert (tried["state"], "status" in tried) == ("Pending", False)
        assert not receiver.seen


@pytest.mark.slow
async def test_a_tenant_does_not_reach_what_the_platform_may(tmp_path: Path, receiver: Receiver) -> None:
    allow = ("127.0.0.1", "10.0.0.0/8")
    async with running_server(tmp_path, outbound_allow=allow) as server, server.session() as session:
        api = Application(session, server)
        await listen(api, receiver)
        tenant = (await api.tenant("acme"))["status"]["tenantID"]
        assert (await receiver.next()).type == "tenant.created"
        path = "/v1/tenants/acme/webhooks"
        for url in (receiver.url, "http://10.1.2.3/", "http://idp.platform.svc/"):
            assert (await api.post(path, {"url": url})).code == "invalid"
        made = (await api.post(path, {"url": receiver.url.replace("http://127.0.0.1", "https://localhost")})).body
        async with api.as_key("webhooks:write", tenant_id=tenant) as key:
            sent = (await key.post(f"/v1/webhooks/{made['webhook']['id']}:ping")).body
        path = f"{path}/{made['webhook']['id']}/deliveries/{sent['id']}"
        tried = await until(api, path, lambda found: found["tries"] > 0)
        assert "TENANTRY_OUTBOUND_ALLOW_TENANTS does not name it" in tried["error"]


async def test_who_may_see_and_change_them(v1: Application, receiver: Receiver) -> None:
    tenant = (await v1.tenant("acme"))["status"]["tenantID"]
    await v1.tenant("other")
    path = "/v1/tenants/acme/webhooks"
    user = await add_user(v1.server)
    await add_member(v1.server, tenant, user, Role.DEVELOPER)
    async with browser(v1.server, await add_session(v1.server, user, tenant)) as api:
        hook = await listen(api, receiver, path)
        assert [each["id"] for each in await api.items(PLATFORM)] == [hook["id"]]  # their own tenant's
        assert (await api.get("/v1/tenants/other/webhooks")).status == 404
        assert (await api.post("/v1/tenants/other/webhooks", {"url": receiver.url})).status == 404
        found = await api.get(f"{path}/{hook['id']}")
        assert (
            await api.call("PATCH", f"{path}/{hook['id']}", {"description": "x"}, if_match=found.etag)
        ).status == 200
        assert (
            await api.call("PATCH", f"{path}/{hook['id']}", {"description": "y"}, if_match=found.etag)
        ).status == 412
        assert (await api.call("DELETE", f"{path}/{hook['id']}")).status == 200
        assert (await api.get(f"{path}/{hook['id']}")).status == 404
    async with v1.as_key("resources:read", tenant_id=tenant) as key:
        assert (await key.get(path)).status == 403


async def test_what_a_tenant_had_goes_when_it_cannot_come_back(v1: Application, receiver: Receiver) -> None:
    await v1.tenant("acme")
    hook = await listen(v1, receiver, "/v1/tenants/acme/webhooks")
    await v1.delete("tenants/acme")
    assert (await receiver.next()).type == "tenant.deleted"
    db = v1.server.services.db
    assert await db.run(webhooks.get, hook["id"])  # it may be brought back
    assert (await v1.call("DELETE", "/v1/tombstones/acme")).status == 200
    assert await db.run(webhooks.get, hook["id"]) is None
    assert await db.run(lambda unit: deliveries.page(unit, hook["id"], limit=9)) == []


async def test_its_secret_is_nowhere_to_be_read(v1: Application, receiver: Receiver) -> None:
    hook = await listen(v1, receiver)
    await v1.post(f"{PLATFORM}/{hook['id']}:ping")
    await receiver.next()
    answers = [await v1.get(path) for path in (PLATFORM, f"{PLATFORM}/{hook['id']}/deliveries", "/v1/audit")]
    files = b"".join(file.read_bytes() for file in v1.server.data_dir.glob("tenantry.db*"))
    assert receiver.secret.startswith("whsec_")
    assert not any(receiver.secret[6:] in json.dumps(answer.body) for answer in answers)
    assert receiver.secret[6:].encode() not in files
