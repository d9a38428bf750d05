"""The work that invites first administrators: once, also when it is done twice, at once, or only in part."""

import asyncio

import pytest

from tenantry.addresses import read_smtp_url
from tenantry.model.identity import Actor
from tenantry.services.feed import Feed
from tenantry.services.people import admins as module
from tenantry.services.people import mail as mail_module
from tenantry.services.people.admins import Admins
from tenantry.services.people.invites import NewInvite, add
from tenantry.services.people.mail import Mail
from tenantry.services.throttle import Throttle
from tenantry.storage import invites, work
from tenantry.storage.db import Database
from tenantry.storage.unit import Unit
from tests.storage.samples import NOW, create, tenant

ACTOR = Actor(name="worker")
SPEC = '{"displayName":"Acme","planRef":{"name":"pro"},"admins":["ada@example.com","bob@example.com"]}'
BOTH = ["ada@example.com", "bob@example.com"]


async def queue(database: Database) -> str:
    """The uid of a tenant that waits to invite."""

    def write(unit: Unit) -> str:
        item = tenant("acme", tenant_id="t-1", spec=SPEC)
        work.add(unit, work.ADMINS, [item.uid], NOW)
        create(unit, item)
        return item.uid

    return await database.run(write, write=True)


def workers(database: Database, mail: Mail | None = None) -> Admins:
    return Admins(database, Feed(database), mail or Mail(None), Throttle(database), "https://t.example.com")


async def depth(database: Database) -> int:
    return await database.run(work.depth, work.ADMINS)


async def invited(database: Database) -> list[str]:
    def read(unit: Unit) -> list[str]:
        return sorted(invite.email for invite in invites.page(unit, tenant_id="t-1", limit=100))

    return await database.run(read)


async def test_two_workers_at_once_invite_once(database: Database) -> None:
    await queue(database)
    both = workers(database), workers(database)
    await asyncio.gather(*(admins.work(ACTOR) for admins in both))
    assert (await invited(database), await depth(database)) == (BOTH, 0)


async def test_one_that_comes_late_with_the_same_item_does_nothing(database: Database) -> None:
    uid = await queue(database)
    (item,) = await database.run(work.take, work.ADMINS, 1)

    def again(unit: Unit) -> None:
        work.add(unit, work.ADMINS, [uid], NOW)

    await database.run(again, write=True)
    assert await database.run(lambda unit: module._invite(unit, ACTOR, item, ()), write=True) == []
    assert (await invited(database), await depth(database)) == ([], 1)
    (item,) = await database.run(work.take, work.ADMINS, 1)
    made = await database.run(lambda unit: module._invite(unit, ACTOR, item, ()), write=True)
    assert [(each.invite.email, name) for each, name in made] == [(email, "acme") for email in BOTH]
    assert await database.run(lambda unit: module._invite(unit, ACTOR, item, ()), write=True) == []
    assert (await invited(database), await depth(database)) == (BOTH, 0)


async def test_what_ends_midway_is_done_again_as_a_whole(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await queue(database)

    def fail(unit: Unit, actor: Actor, made: NewInvite) -> NewInvite:
        if made.invite.email == BOTH[1]:
            raise RuntimeError("killed")
        return add(unit, actor, made)

    admins = workers(database)
    with monkeypatch.context() as killed:
        killed.setattr(module, "add", fail)
        with pytest.raises(RuntimeError, match="killed"):
            await admins.work(ACTOR)
    assert (await invited(database), await depth(database)) == ([], 1)
    assert [await admins.work(ACTOR), await admins.work(ACTOR)] == [1, 0]
    assert (await invited(database), await depth(database)) == (BOTH, 0)


async def test_nobody_is_invited_by_a_mail_for_which_there_is_no_room(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await queue(database)
    mail = Mail(read_smtp_url("smtp+plain://127.0.0.1:1"), "t@example.com")
    sent: list[str] = []
    monkeypatch.setattr(mail, "send", lambda to, subject, text: sent.append(f"{to} {subject} {text}"))
    admins = workers(database, mail)
    with monkeypatch.context() as full:
        full.setattr(mail_module, "WAITING", 1)
        assert await admins.work(ACTOR) == 1
        assert (await invited(database), await depth(database), sent) == ([], 1, [])
    assert await admins.work(ACTOR) == 1
    assert (await invited(database), await depth(database)) == (BOTH, 0)
    assert [text.split()[0] for text in sent] == BOTH
    assert all("https://t.example.com/invite/tni_" in text for text in sent)


async def test_the_trouble_of_one_tenant_keeps_no_other_waiting(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(unit: Unit) -> None:
        made = [tenant(name, tenant_id=f"t-{name}", spec=SPEC.replace("ada", name)) for name in ("bad", "good")]
        for number, item in enumerate(made):
            work.add(unit, work.ADMINS, [item.uid], NOW + number)
        create(unit, *made)

    await database.run(write, write=True)

    def fail(unit: Unit, actor: Actor, made: NewInvite) -> NewInvite:
        if made.invite.tenant_id == "t-bad":
            raise RuntimeError("killed")
        return add(unit, actor, made)

    monkeypatch.setattr(module, "add", fail)
    with pytest.raises(RuntimeError, match="killed"):
        await workers(database).work(ACTOR)
    assert await depth(database) == 1
    found = await database.run(lambda unit: invites.page(unit, tenant_id="t-good", limit=9))
    assert sorted(each.email for each in found) == ["bob@example.com", "good@example.com"]
