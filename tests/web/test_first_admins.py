"""The first administrators of a tenant: `spec.admins` invites each address once, and takes back what still waits."""

import asyncio
from pathlib import Path
from typing import Any

from tenantry.model.permissions import Role
from tenantry.storage import work
from tenantry.storage.statement import Statement
from tenantry.storage.tables import Invite
from tenantry.storage.unit import Unit
from tests.support.application import Application
from tests.support.browsing import browsing
from tests.support.mailbox import mailbox, until
from tests.support.people import add_member, add_user
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


async def test_members_are_not_invited_by_an_address_that_they_have_proved(v1: Application) -> None:
    acme = (await v1.tenant("acme"))["status"]["tenantID"]
    for email, proved in ((ADA, True), (BOB, False)):
        user = await add_user(v1.server, email, email_verified=proved)
        await add_member(v1.server, acme, user, Role.VIEWER)
    await add_user(v1.server, EVE)
    assert await patch(v1, admins=[ADA, BOB, EVE]) == {BOB: "Pending", EVE: "Pending"}


async def test_a_suspended_tenant_invites_once_it_is_active(v1: Application) -> None:
    await v1.tenant("acme", state="Suspended", admins=[ADA])
    assert await invited(v1) == {}
    assert await patch(v1, admins=[ADA, BOB]) == {}
    assert await patch(v1, state="Active") == {ADA: "Pending", BOB: "Pending"}


async def test_a_tenant_that_is_being_deleted_invites_nobody(v1: Application) -> None:
    spec = {"displayName": "Acme", "planRef": {"name": "pro"}}
    await v1.create("tenants", "acme", spec, finalizers=["example.com/wait"])
    await v1.delete("tenants/acme")
    assert await patch(v1, admins=[ADA]) == {}


async def test_an_address_that_no_account_can_have_is_passed_over(v1: Application) -> None:
    await v1.tenant("acme", admins=["jürgen@example.com", "a,b@example.com", ADA])
    assert await invited(v1) == {ADA: "Pending"}


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
