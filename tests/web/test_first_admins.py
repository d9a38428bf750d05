"""The first administrators of a tenant: `spec.admins` invites each address once, and takes back what still waits."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tenantry.model.permissions import Role
from tenantry.storage import work
from tenantry.storage.statement import Statement
from tenantry.storage.tables import Invite
from tenantry.storage.unit import Unit
from tests.support.application import Application
from tests.support.browsing import browsing
from tests.support.mailbox import mailbox, until
from tests.support.people import add_member, add_session, add_user, browser
from tests.support.server import running_server

INVITES = "/v1/tenants/acme/invites"
ADA, BOB, EVE = "ada@example.com", "bob@example.com", "eve@example.com"
PASSWORD = "four unrelated old words"


async def invited(v1: Application) -> dict[str, str]:
    """The states of the invites by address, once the worker has done what there was to do; no address has two."""
    async with asyncio.timeout(20):
        while await v1.server.services.db.run(work.depth, work.ADMINS):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)
    found = await v1.items(INVITES)
    states = {each["email"]: each["state"] for each in found}
    assert len(states) == len(found)
    return states


async def patch(v1: Application, **spec: Any) -> dict[str, str]:
    """The same after a change of the Tenant."""
    await v1.patch("tenants/acme", {"spec": spec})
    return await invited(v1)


async def by_address(v1: Application, email: str) -> dict[str, Any]:
    return next(dict(each) for each in await v1.items(INVITES) if each["email"] == email)


@pytest.mark.slow
async def test_whoever_is_listed_is_invited_once(stored_v1: Application) -> None:
    v1 = stored_v1
    await v1.tenant("acme", admins=["Ada@Example.com", BOB, "ada@example.com"])
    assert await invited(v1) == {ADA: "Pending", BOB: "Pending"}
    made = await v1.items(INVITES)
    assert {(each["role"], each["invitedBy"]) for each in made} == {("admin", "worker")}
    rows = await v1.items(f"/v1/audit?name={made[0]['id']}")
    assert [(row["action"], row["actor"]) for row in rows] == [("invite.create", "worker")]
    assert await patch(v1, displayName="New", state="Suspended") == {ADA: "Pending", BOB: "Pending"}

    def expire(unit: Unit) -> None:
        unit.execute(Statement(Invite.update({Invite.expires_at: 1}).where(Invite.email == BOB)))

    await v1.server.services.db.run(expire, write=True)
    await v1.post(f"{INVITES}/{(await by_address(v1, ADA))['id']}:revoke")
    before = {ADA: "Revoked", BOB: "Expired"}
    assert await patch(v1, state="Active") == before
    assert await patch(v1, admins=[EVE, BOB, ADA]) == before | {EVE: "Pending"}
    await v1.delete("tenants/acme")
    await v1.tenant("acme", admins=[ADA, BOB, EVE])  # which brings it back
    assert await invited(v1) == before | {EVE: "Pending"}


@pytest.mark.slow
async def test_where_no_mail_is_a_link_is_made_by_hand(stored_v1: Application) -> None:
    v1 = stored_v1
    await v1.plan("pro")
    await v1.tenant("acme", admins=[ADA])
    await invited(v1)
    (step,) = (await v1.get("/v1/tenants/acme/explain")).body["next"]
    assert step.startswith("1 of its first administrators (spec.admins) wait without a link")
    before = await by_address(v1, ADA)
    path = f"{INVITES}/{before['id']}:renew"
    assert path.replace(before["id"], "ID") in step
    renewed = await v1.post(path, {})
    assert renewed.status == 201, renewed.body
    made, link = renewed.body["invite"], renewed.body["link"]
    assert (made["email"], made["role"], made["state"], renewed.body["mailed"]) == (ADA, "admin", "Pending", False)
    assert renewed.headers["Location"] == f"{INVITES}/{made['id']}"
    assert (await v1.get(f"{INVITES}/{before['id']}")).body["state"] == "Revoked"
    assert (await v1.get("/v1/tenants/acme/explain")).body["next"] == []
    assert (await v1.post(path, {})).code == "conflict"
    token = link.rpartition("/")[2]
    async with browsing(v1.server) as ada:
        page = await ada.get(f"/invite/{token}")
        joined = await ada.submit(page, name="Ada", password=PASSWORD, repeated=PASSWORD)
        assert joined.status == 303, joined.text
    assert [item["role"] for item in await v1.items("/v1/tenants/acme/members")] == ["admin"]
    await v1.patch("tenants/acme", {"spec": {"displayName": "New"}})
    async with asyncio.timeout(20):
        while await v1.server.services.db.run(work.depth, work.ADMINS):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)
    assert sorted(each["state"] for each in await v1.items(INVITES)) == ["Accepted", "Revoked"]


async def test_an_old_link_is_renewed_too(v1: Application) -> None:
    await v1.tenant("acme")
    await v1.post(INVITES, {"email": BOB, "role": "viewer"})

    def expire(unit: Unit) -> None:
        unit.execute(Statement(Invite.update({Invite.expires_at: 1})))

    await v1.server.services.db.run(expire, write=True)
    renewed = await v1.post(f"{INVITES}/{(await by_address(v1, BOB))['id']}:renew", {})
    made = renewed.body["invite"]
    assert (renewed.status, made["state"], made["role"]) == (201, "Pending", "viewer")


@pytest.mark.slow
async def test_where_mail_is_a_new_link_is_mailed(tmp_path: Path) -> None:
    with mailbox(tmp_path) as box:
        async with running_server(tmp_path, **box.settings) as server, server.session() as session:
            v1 = Application(session, server)
            await v1.tenant("acme", admins=[ADA])
            await invited(v1)
            await until(lambda: len(box.mails) == 1)
            path = f"{INVITES}/{(await by_address(v1, ADA))['id']}:renew"
            renewed = (await v1.post(path, {})).body
            assert (renewed["mailed"], "link" in renewed) == (True, False)
            await until(lambda: len(box.mails) == 2)
            told = str(box.mails[1].get_content())
            assert (box.mails[1]["To"], "/invite/tni_" in told) == (ADA, True)
            assert told != str(box.mails[0].get_content())
            shown = (await v1.post(f"{INVITES}/{renewed['invite']['id']}:renew", {"mail": False})).body
            assert (shown["mailed"], "/invite/tni_" in shown["link"]) == (False, True)


@pytest.mark.slow
async def test_a_link_is_renewed_by_who_could_make_it_and_stands_behind_it(v1: Application) -> None:
    await v1.tenant("beta")
    acme = (await v1.tenant("acme", admins=[ADA]))["status"]["tenantID"]
    await invited(v1)
    path = f"{INVITES}/{(await by_address(v1, ADA))['id']}:renew"
    assert (await v1.post(path.replace("acme", "beta"), {})).status == 404
    owner = await add_user(v1.server, BOB)
    await add_member(v1.server, acme, owner, Role.ADMIN)
    (invite,) = [each for each in await v1.items(INVITES) if each["state"] == "Pending"]
    async with browser(v1.server, await add_session(v1.server, owner, acme)) as api:
        once = [await api.post(f"{INVITES}/{invite['id']}:renew", {}, idempotency_key="k") for _ in range(2)]
        assert [each.status for each in once] == [201, 409]
        assert once[1].code == "secret_already_shown"
        token = once[0].body["link"].rpartition("/")[2]
    assert (await v1.call("DELETE", f"/v1/tenants/acme/members/{owner.id}")).status == 200
    async with browsing(v1.server) as ada:
        page = await ada.get(f"/invite/{token}")
        refused = await ada.submit(page, name="Ada", password=PASSWORD, repeated=PASSWORD)
        assert refused.status == 404, refused.text


@pytest.mark.slow
async def test_of_those_who_renew_at_once_one_has_a_link(stored_v1: Application) -> None:
    await stored_v1.tenant("acme", admins=[ADA])
    await invited(stored_v1)
    path = f"{INVITES}/{(await by_address(stored_v1, ADA))['id']}:renew"
    answers = await asyncio.gather(*(stored_v1.post(path, {}) for _ in range(20)))
    assert sorted(each.status for each in answers) == [201] + [409] * 19
    assert sorted(each["state"] for each in await stored_v1.items(INVITES)) == ["Pending", "Revoked"]


@pytest.mark.slow
async def test_who_is_removed_loses_what_still_waits(stored_v1: Application) -> None:
    v1 = stored_v1
    await v1.tenant("acme", admins=[ADA])
    await invited(v1)
    await v1.post(INVITES, {"email": BOB, "role": "viewer"})
    both = {ADA: "Pending", BOB: "Pending"}
    assert await patch(v1, admins=[ADA, BOB]) == both
    assert (await by_address(v1, BOB))["role"] == "viewer"
    assert await patch(v1, state="Suspended", admins=None) == both | {ADA: "Revoked"}
    rows = await v1.items(f"/v1/audit?name={(await by_address(v1, ADA))['id']}")
    assert [(row["action"], row["actor"]) for row in rows] == [("invite.revoke", "worker"), ("invite.create", "worker")]
    assert await patch(v1, state="Active", admins=[ADA]) == both | {ADA: "Revoked"}


@pytest.mark.slow
async def test_members_are_not_invited_by_an_address_that_they_have_proved(v1: Application) -> None:
    acme = (await v1.tenant("acme"))["status"]["tenantID"]
    for email, proved in ((ADA, True), (BOB, False)):
        user = await add_user(v1.server, email, email_verified=proved)
        await add_member(v1.server, acme, user, Role.VIEWER)
    await add_user(v1.server, EVE)
    assert await patch(v1, admins=[ADA, BOB, EVE]) == {BOB: "Pending", EVE: "Pending"}


@pytest.mark.slow
async def test_a_suspended_tenant_invites_once_it_is_active(v1: Application) -> None:
    await v1.tenant("acme", state="Suspended", admins=[ADA])
    assert await invited(v1) == {}
    assert await patch(v1, admins=[ADA, BOB]) == {}
    assert await patch(v1, state="Active") == {ADA: "Pending", BOB: "Pending"}


@pytest.mark.slow
async def test_a_tenant_that_is_being_deleted_invites_nobody(v1: Application) -> None:
    spec = {"displayName": "Acme", "planRef": {"name": "pro"}}
    await v1.create("tenants", "acme", spec, finalizers=["example.com/wait"])
    await v1.delete("tenants/acme")
    assert await patch(v1, admins=[ADA]) == {}


@pytest.mark.slow
async def test_an_address_that_no_account_can_have_is_passed_over(v1: Application) -> None:
    await v1.tenant("acme", admins=["jürgen@example.com", "a,b@example.com", ADA])
    assert await invited(v1) == {ADA: "Pending"}


@pytest.mark.slow
async def test_the_link_is_mailed_where_that_is_configured(tmp_path: Path) -> None:
    with mailbox(tmp_path) as box:
        async with (
            running_server(tmp_path, **box.settings) as server,
            server.session() as session,
        ):
            v1 = Application(session, server)
            await v1.tenant("acme", admins=[ADA])
            await until(lambda: box.mails)
            (mail,) = box.mails
            assert (mail["To"], mail["Subject"]) == (ADA, "Join acme")
            text = mail.get_content()
            assert "to be admin of acme" in text
            path = "/invite/" + text.split("/invite/")[1].split()[0]
            async with browsing(server) as ada:
                joined = await ada.submit(await ada.get(path), name="Ada", password=PASSWORD, repeated=PASSWORD)
                assert joined.status == 303
            assert await invited(v1) == {ADA: "Accepted"}
            assert await patch(v1, admins=[]) == {ADA: "Accepted"}
            assert await patch(v1, admins=[ADA]) == {ADA: "Accepted"}
            (member,) = await v1.items("/v1/tenants/acme/members")
            assert (member["user"]["email"], member["user"]["emailVerified"], member["role"]) == (ADA, True, "admin")
            assert len(box.mails) == 1
