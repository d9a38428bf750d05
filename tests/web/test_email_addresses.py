"""Addresses: what is not proved is a word to sign in by, gives nobody anything and keeps nobody out."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tenantry.model.errors import Code, TenantryError
from tenantry.services.machines.local_admin import ACTOR
from tenantry.services.throttle import MAILS, Limit
from tenantry.storage import users
from tenantry.web.authentication import SESSION_COOKIE
from tests.support.application import Application
from tests.support.browsing import Browser, Page, browsing, log_in
from tests.support.mailbox import Mailbox, mailbox, until
from tests.support.people import PASSWORD, add_account, add_session, add_user, browser, seen
from tests.support.server import ServerInProcess, running_server

EMAIL, OTHERS = "ada@example.com", "words that mallory knows"
INVITES = "/v1/tenants/acme/invites"


@pytest.fixture
async def mailing(tmp_path: Path, database_url: str) -> AsyncIterator[tuple[Application, Mailbox]]:
    """A server with a tenant, that sends mail and on which strangers sign up, and what gets the mail."""
    with mailbox(tmp_path) as box:
        async with (
            running_server(tmp_path, database_url=database_url, sign_up="Open", **box.settings) as server,
            server.session() as session,
        ):
            v1 = Application(session, server)
            await v1.tenant("acme")
            yield v1, box


async def mailed(box: Mailbox, count: int, path: str) -> str:
    """The path below `path` that the last of so many mails has."""
    await until(lambda: len(box.mails) >= count)
    found = re.findall(rf"http://[a-z0-9.]+:\d+({path}\S*)", str(box.mails[-1].get_content()))
    assert found, box.mails[-1].get_content()
    return str(found[0])


async def invite(v1: Application, **change: Any) -> dict[str, Any]:
    made = await v1.post(INVITES, {"email": EMAIL, "role": "developer", **change})
    assert made.status == 201, made.body
    return dict(made.body)


async def join(person: Browser, path: str, password: str) -> Page:
    return await person.submit(await person.get(path), password=password, repeated=password)


async def whoami(server: ServerInProcess, person: Browser) -> dict[str, Any]:
    async with browser(server, person.cookies[SESSION_COOKIE]) as api:
        return dict((await api.get("/v1/me")).body["user"])


async def test_a_mailed_link_is_shown_to_nobody_and_proves_the_address(mailing: tuple[Application, Mailbox]) -> None:
    v1, box = mailing
    made = await invite(v1)
    assert (made["mailed"], "link" in made) == (True, False)
    async with browsing(v1.server) as ada:
        joined = await join(ada, await mailed(box, 1, "/invite/"), PASSWORD)
        assert joined.status == 303, joined.text
        assert (await whoami(v1.server, ada))["emailVerified"] is True


async def test_with_mail_a_link_that_was_shown_makes_no_account(mailing: tuple[Application, Mailbox]) -> None:
    v1, box = mailing
    await add_account(v1.server)
    texts = set()
    for email in (EMAIL, "nobody@example.com"):  # who has an account and who has none is told the same
        made = await invite(v1, mail=False, email=email)
        assert made["mailed"] is False
        async with browsing(v1.server) as mallory:
            path = urlsplit(made["link"]).path
            page = await mallory.get(path)
            texts.add(page.text.replace(email, "..."))
            fields = {"csrf": "x", "password": OTHERS, "repeated": OTHERS}
            assert (await mallory.post(path, fields)).status == 403
            login = await mallory.get("/login")
            refused = await mallory.post(path, {**login.forms[0][1], "password": OTHERS, "repeated": OTHERS})
            assert (refused.status, "proves no address" in refused.text) == (403, True)
    assert len(texts) == 1
    assert not box.mails
    assert {each["state"] for each in await v1.items(INVITES)} == {"Pending"}


async def test_who_holds_a_shown_link_proves_an_address_of_theirs_and_joins(
    mailing: tuple[Application, Mailbox],
) -> None:
    v1, box = mailing
    path = urlsplit((await invite(v1, mail=False))["link"]).path
    async with browsing(v1.server) as eve:
        page = await eve.get(path)
        ask = await eve.get(page.html.partition('href="/sign-up')[2].partition('"')[0].join(("/sign-up", "")))
        asked = await eve.submit(ask, email="Eve@Example.com")
        assert "on its way" in asked.text
        page = await eve.get(await mailed(box, 1, "/sign-up/"))
        assert "eve@example.com, which is yours" in page.text
        done = await eve.submit(page, name="Eve", password=PASSWORD, repeated=PASSWORD)
        assert (done.status, done.location) == (303, path)
        assert (await eve.submit(await eve.follow(done))).location == "/account"
        assert (await whoami(v1.server, eve))["email"] == "eve@example.com"


async def test_asking_for_an_account_tells_nobody_who_has_one(mailing: tuple[Application, Mailbox]) -> None:
    v1, box = mailing
    await add_account(v1.server)
    async with browsing(v1.server) as person:
        page = await person.get("/sign-up")
        answers = {(await person.submit(page, email=email)).html for email in (EMAIL, "new@example.com")}
        assert len(answers) == 1
        await until(lambda: len(box.mails) == 2)
        told = {str(mail["To"]): str(mail.get_content()) for mail in box.mails}
        assert "There is one already" in told[EMAIL]
        assert "/sign-up/" not in told[EMAIL]
        link = re.findall(r"http://localhost:\d+(/sign-up/\S+)", told["new@example.com"])[0]
        wrong = await person.submit(page, email="no address")
        assert (wrong.status, "Must be an e-mail address" in wrong.text) == (422, True)
        page = await person.get(link)
        guessable = await person.submit(page, password="new@example.com", repeated="new@example.com")
        assert (guessable.status, "easy to guess" in guessable.text) == (422, True)
        short = await person.submit(page, password="short", repeated="short")
        assert short.status == 422
        wrong = await person.submit(short, name="A" * 101, password="short", repeated="other")
        assert wrong.html.count('class="problem"') == 3
        done = await person.submit(wrong, name="", password=PASSWORD, repeated=PASSWORD)
        assert (done.status, done.location) == (303, "/account/tenants/new")
        assert (await person.get(link)).status == 404
        assert (await person.submit(page, password=PASSWORD, repeated=PASSWORD)).status in {403, 404}
    await v1.server.services.email_addresses.close()
    assert [row["message"] for row in await v1.items("/v1/audit?action=registration-link.create")] == [
        "new@example.com"
    ]


@pytest.mark.slow
async def test_one_who_has_not_proved_an_address_keeps_its_owner_out_of_nothing(
    mailing: tuple[Application, Mailbox],
) -> None:
    v1, box = mailing
    mallory = await add_user(
        v1.server, email_verified=False, password_hash=await v1.server.services.passwords.hash(OTHERS)
    )
    await invite(v1)
    async with browsing(v1.server) as ada, browsing(v1.server) as other:
        assert (await join(ada, await mailed(box, 1, "/invite/"), PASSWORD)).status == 303
        mine = await whoami(v1.server, ada)
        assert (mine["emailVerified"], mine["id"] != mallory.id) == (True, True)
        for person, password, user in ((other, OTHERS, mallory.id), (ada, PASSWORD, mine["id"])):
            assert (await log_in(person, EMAIL, password)).status == 303
            assert (await whoami(v1.server, person))["id"] == user
        assert (await log_in(other, EMAIL, "neither of the two")).status == 422
        listed = await v1.items(f"/v1/users?email={EMAIL}")
        assert {each["id"]: each["emailVerified"] for each in listed} == {mallory.id: False, mine["id"]: True}
        await ada.submit(await ada.get("/password/forgot"), email=EMAIL)
        page = await ada.get(await mailed(box, 2, "/password/reset/"))
        await ada.submit(page, password="another set of words", repeated="another set of words")
        assert (await log_in(ada, EMAIL, "another set of words")).status == 303
        assert (await whoami(v1.server, ada))["id"] == mine["id"]
    accounts = v1.server.services.accounts
    with pytest.raises(TenantryError) as refused:
        await accounts.recovery_link(ACTOR, EMAIL)
    assert refused.value.code is Code.CONFLICT
    assert mallory.id in refused.value.message
    assert (await accounts.find_reset(await accounts.recovery_link(ACTOR, mallory.id))).id == mallory.id


async def test_who_has_not_proved_an_address_gets_no_link_that_sets_a_password(
    mailing: tuple[Application, Mailbox],
) -> None:
    v1, box = mailing
    await add_account(v1.server, email_verified=False)
    async with browsing(v1.server) as ada:
        asked = await ada.submit(await ada.get("/password/forgot"), email=EMAIL)
        assert "on its way" in asked.text
    await v1.server.services.accounts.close()
    assert not box.mails


async def test_who_has_an_account_proves_its_address(mailing: tuple[Application, Mailbox]) -> None:
    v1, box = mailing
    user = await add_account(v1.server, email_verified=False)
    other = await add_user(v1.server, "mallory@example.com")
    async with browsing(v1.server) as ada, browsing(v1.server) as mallory:
        await log_in(ada, EMAIL, PASSWORD)
        mallory.cookies[SESSION_COOKIE] = await add_session(v1.server, other)
        asked = await ada.submit(await ada.get("/account"))
        assert "on its way to you" in (await ada.follow(asked)).text
        link = await mailed(box, 1, "/account/email/")
        assert (await mallory.submit(await mallory.get(link))).status == 404
        assert (await ada.get(link)).status == 200  # to look is not to use
        assert (await v1.server.services.users.get(user.id)).email_verified is False
        done = await ada.submit(await ada.get(link))
        assert "the address is yours" in (await ada.follow(done)).text
        assert (await v1.server.services.users.get(user.id)).email_verified is True
        await seen(v1.server)
        assert (await whoami(v1.server, ada))["emailVerified"] is True
        assert (await ada.submit(await ada.get(link))).status == 404
    assert [row["name"] for row in await v1.items("/v1/audit?action=email.verify")] == [user.id]


async def test_an_address_is_proved_for_one_account(mailing: tuple[Application, Mailbox]) -> None:
    v1, box = mailing
    await add_account(v1.server, email_verified=False)
    async with browsing(v1.server) as mallory:
        await log_in(mallory, EMAIL, PASSWORD)
        await mallory.submit(await mallory.get("/account"))
        link = await mailed(box, 1, "/account/email/")
        await add_user(v1.server)
        refused = await mallory.submit(await mallory.get(link))
        assert (refused.status, "another account has proved" in refused.text.lower()) == (409, True)
        assert len(await v1.server.services.db.run(users.with_address, EMAIL)) == 2


async def test_who_asks_for_links_of_one_kind_uses_up_no_others(mailing: tuple[Application, Mailbox]) -> None:
    """Of a new password for an address without an account nobody hears, so it would go unnoticed."""
    v1, box = mailing
    async with browsing(v1.server) as mallory, browsing(v1.server) as ada:
        page = await mallory.get("/password/forgot")
        for _ in range(MAILS.attempts + 1):
            await mallory.submit(page, email=EMAIL)
        await v1.server.services.accounts.close()
        await ada.submit(await ada.get("/sign-up"), email=EMAIL)
        await mailed(box, 1, "/sign-up/")
    assert (await invite(v1))["mailed"] is True


async def test_a_tenant_has_only_so_many_strangers_mailed(
    mailing: tuple[Application, Mailbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    v1, _ = mailing
    monkeypatch.setattr("tenantry.services.people.invites.MAILS_OF_TENANT", Limit("mails of a tenant", 2, 3600))
    assert [(await invite(v1, email=f"{name}@example.com"))["mailed"] for name in "abc"] == [True, True, False]


async def test_a_person_has_only_so_many_mailed_in_all_their_tenants(
    mailing: tuple[Application, Mailbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    v1, _ = mailing
    await v1.tenant("beta")
    monkeypatch.setattr("tenantry.services.people.invites.MAILS_OF_PERSON", Limit("mails of a person", 2, 3600))
    user = await add_user(v1.server, "grace@example.com", platform_admin=True)
    mailed = []
    async with browser(v1.server, await add_session(v1.server, user)) as grace:
        for number, tenant in enumerate(("acme", "beta", "acme")):
            wanted = {"email": f"{number}@example.com", "role": "developer"}
            mailed.append((await grace.post(f"/v1/tenants/{tenant}/invites", wanted)).body["mailed"])
    assert mailed == [True, True, False]
    assert (await invite(v1))["mailed"] is True


@pytest.mark.parametrize("email", ["=?utf-8?q?ada?=@example.com", "=?utf-8?b?YWRh?=@example.com"])
async def test_what_mail_reads_as_another_address_is_none(mailing: tuple[Application, Mailbox], email: str) -> None:
    """RFC 2047, 2: who counts mails by address would count each spelling."""
    v1, box = mailing
    refused = await v1.post(INVITES, {"email": email, "role": "developer"})
    assert (refused.status, refused.code) == (422, "invalid")
    assert not box.mails


async def test_links_that_have_expired_are_forgotten(
    mailing: tuple[Application, Mailbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    v1, box = mailing
    async with browsing(v1.server) as ada:
        await ada.submit(await ada.get("/sign-up"), email=EMAIL)
        link = await mailed(box, 1, "/sign-up/")
        addresses = v1.server.services.email_addresses
        await addresses.forget_expired()
        assert (await ada.get(link)).status == 200
        monkeypatch.setattr("tenantry.model.ids.now_micros", lambda: 2**53)
        await addresses.forget_expired()
        monkeypatch.undo()
        assert (await ada.get(link)).status == 404


@pytest.mark.parametrize(
    ("policy", "told"),
    [("InviteOnly", "with an invite here"), ("Closed", "Sign-up is closed"), ("Open", "sends no mail")],
)
async def test_the_page_says_who_may_make_an_account(tmp_path: Path, policy: str, told: str) -> None:
    async with running_server(tmp_path, sign_up=policy) as server, browsing(server) as person:
        page = await person.get("/sign-up")
        assert (page.status, told in page.text, page.forms) == (200, True, [])
        login = await person.get("/login")
        refused = await person.post("/sign-up", {**login.forms[0][1], "email": EMAIL})
        assert refused.status == (503 if policy == "Open" else 403)
        assert ('href="/sign-up"' in login.html) == (policy == "Open")
