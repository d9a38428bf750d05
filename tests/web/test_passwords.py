"""Passwords that are changed, forgotten and set again, by the pages and the links."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tenantry.model.audit import Filter
from tenantry.model.links import Purpose
from tenantry.services.machines.local_admin import ACTOR
from tenantry.services.people import links
from tenantry.services.throttle import PASSWORDS
from tenantry.storage import factors, users
from tenantry.web.authentication import SESSION_COOKIE
from tests.support.browsing import Browser, browsing, log_in
from tests.support.cli import Tenantry
from tests.support.mailbox import Mailbox, mailbox, until
from tests.support.people import PASSWORD, add_account, add_user, seen
from tests.support.server import ServerInProcess, running_server
from tests.web.test_second_factor import clock, enrolled

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures(clock.__name__)]

EMAIL, NEW = "ada@example.com", "five words that are new"


async def whoami(server: ServerInProcess, browser: Browser) -> int:
    await seen(server)
    return (await browser.get("/v1/me")).status


async def actions(server: ServerInProcess) -> list[str]:
    """What the audit log tells of accounts, the oldest first."""
    told = await server.services.audit.list(ACTOR, Filter(kind="User"), before="", limit=50)
    return [event.action for event in reversed(told) if event.result == "ok"]


@pytest.fixture
async def mailing(tmp_path: Path) -> AsyncIterator[tuple[ServerInProcess, Mailbox]]:
    """A server that sends mail, and what gets it."""
    with mailbox(tmp_path) as box:
        url = f"smtp+plain://127.0.0.1:{box.port}"
        async with running_server(tmp_path, smtp_url=url, smtp_from="Tenantry <tenantry@example.com>") as server:
            yield server, box


async def received(box: Mailbox, count: int) -> str:
    """The text of the last of so many mails."""
    await until(lambda: len(box.mails) >= count)
    return str(box.mails[-1].get_content())


async def test_a_new_password_ends_every_other_session(server: ServerInProcess) -> None:
    await add_account(server)
    async with browsing(server) as here, browsing(server) as there:
        for browser in (here, there):
            await log_in(browser, EMAIL, PASSWORD)
        before = here.cookies[SESSION_COOKIE]
        page = await here.get("/account/password")
        wrong = [
            ({"current": "wrong", "password": NEW, "repeated": NEW}, "Is not your password"),
            ({"current": PASSWORD, "password": "short", "repeated": "short"}, "at least 8 characters"),
            ({"current": PASSWORD, "password": NEW, "repeated": "other"}, "Is not the same"),
            ({"current": PASSWORD, "password": PASSWORD, "repeated": PASSWORD}, "Is the one that you have already"),
            ({"current": PASSWORD, "password": EMAIL, "repeated": EMAIL}, "easy to guess"),
            ({"current": PASSWORD, "password": "localhost", "repeated": "localhost"}, "easy to guess"),
        ]
        for fields, told in wrong:
            answer = await here.submit(page, 0, **fields)
            assert answer.status == 422
            assert told in answer.text
        page = await here.submit(page, current="wrong", password="short", repeated="other")
        for told in (
            "Is not your password.",
            "Must have at least 8 characters",
            "Is not the same as the password above.",
        ):
            assert told in page.text
        done = await here.submit(page, current=PASSWORD, password=NEW, repeated=NEW)
        assert done.location == "/account?notice=password"
        assert (await here.get("/account")).status == 200
        assert here.cookies[SESSION_COOKIE] != before
        assert await whoami(server, here) == 200
        assert await whoami(server, there) == 401
        assert (await log_in(there, EMAIL, PASSWORD)).status == 422
        assert (await log_in(there, EMAIL, NEW)).status == 303
    assert await actions(server) == ["password.change"]


async def test_who_has_forgotten_it_gets_a_link_by_mail(mailing: tuple[ServerInProcess, Mailbox]) -> None:
    server, box = mailing
    await add_account(server)
    await add_user(server, "elsewhere@example.com")
    await add_account(server, "gone@example.com", status="Disabled")
    async with browsing(server) as browser, browsing(server) as other:
        await log_in(other, EMAIL, PASSWORD)
        page = await browser.get("/password/forgot")
        answers = set()
        for email in ("nobody@example.com", "elsewhere@example.com", "gone@example.com", "no\r\naddress", EMAIL):
            answer = await browser.submit(page, email=email)
            answers.add((answer.status, answer.html))
        assert len(answers) == 1
        text = await received(box, 1)
        assert [mail["To"] for mail in box.mails] == [EMAIL]
        path = re.findall(r"http://localhost:\d+(/password/reset/\S+)", text)[0]
        for _ in range(2):  # to look is not to use
            page = await browser.get(path)
            assert EMAIL in page.text
        for wrong in ("short", EMAIL):
            assert (await browser.submit(page, password=wrong, repeated=wrong)).status == 422
        done = await browser.submit(page, password=NEW, repeated=NEW)
        assert done.location == "/login?notice=password-set"
        assert "Sign in with it" in (await browser.follow(done)).text
        assert await whoami(server, other) == 401
        assert (await browser.get(path)).status == 404
        assert (await browser.submit(page, password=PASSWORD, repeated=PASSWORD)).status == 404
        assert (await log_in(browser, EMAIL, NEW)).status == 303
        assert "Your password was changed" in await received(box, 2)
    assert await actions(server) == ["reset-link.create", "password.reset"]


async def test_one_address_gets_only_so_many_mails(mailing: tuple[ServerInProcess, Mailbox]) -> None:
    server, box = mailing
    await add_account(server)
    async with browsing(server) as browser:
        page = await browser.get("/password/forgot")
        answers = {(await browser.submit(page, email=EMAIL)).html for _ in range(6)}
    await server.services.accounts.close()
    await received(box, 3)
    assert (len(answers), len(box.mails)) == (1, 3)


async def test_without_mail_the_page_says_what_to_do(server: ServerInProcess) -> None:
    await add_account(server)
    async with browsing(server) as browser:
        page = await browser.get("/password/forgot")
        assert page.forms == []
        assert "tenantry admin recover" in page.text
        csrf = (await browser.get("/login")).forms[0][1]["csrf"]
        assert "sends no mail" in (await browser.post("/password/forgot", {"csrf": csrf, "email": EMAIL})).text
    assert await actions(server) == []


async def test_a_new_password_voids_the_links_that_would_set_another(server: ServerInProcess) -> None:
    user = await add_account(server)
    db = server.services.db
    tokens = [
        await db.run(links.make, purpose, user.id, write=True) for purpose in (Purpose.PASSWORD, Purpose.RECOVERY)
    ]
    async with browsing(server) as browser:
        page = await browser.get(f"/password/reset/{tokens[0]}")
        await browser.submit(page, password=NEW, repeated=NEW)
        assert (await browser.get(f"/password/reset/{tokens[1]}")).status == 404


async def test_who_tried_too_often_comes_in_with_a_new_password(server: ServerInProcess) -> None:
    await add_account(server)
    async with browsing(server) as browser:
        page = await browser.get("/login")
        tries = [await browser.submit(page, email=EMAIL, password="wrong") for _ in range(PASSWORDS.attempts + 1)]
        assert tries[-1].status == 429
        token = await server.services.accounts.recovery_link(ACTOR, EMAIL)
        await browser.submit(await browser.get(f"/password/reset/{token}"), password=NEW, repeated=NEW)
        assert (await log_in(browser, EMAIL, NEW)).status == 303


@pytest.mark.parametrize("purpose", [Purpose.PASSWORD, Purpose.RECOVERY])
async def test_only_a_recovery_takes_the_second_factor_away(server: ServerInProcess, purpose: Purpose) -> None:
    await enrolled(server)
    left = purpose is Purpose.PASSWORD
    user = await server.services.db.run(users.find, EMAIL)
    assert user
    token = await server.services.db.run(links.make, purpose, user.id, write=True)
    async with browsing(server) as browser:
        await browser.submit(await browser.get(f"/password/reset/{token}"), password=NEW, repeated=NEW)
        assert (await log_in(browser, EMAIL, NEW)).location == ("/login/mfa?return_to=" if left else "/account")
    assert bool(await server.services.db.run(factors.get, user.id)) is left


async def test_links_from_the_command_line(server: ServerInProcess, tenantry: Tenantry) -> None:
    made = await tenantry("admin", "setup-link")
    assert made.exit_code == 0, made.stderr
    pages = server.base_url.replace("127.0.0.1", "localhost")
    path = re.findall(rf"^{pages}(/setup/tnl_\S+)\n$", made.stdout)[0]
    async with browsing(server) as browser:
        page = await browser.get(path)
        assert (await browser.submit(page, email=EMAIL, password=PASSWORD, repeated=PASSWORD)).status == 303
        refused = await tenantry("admin", "setup-link")
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert "there are users already: tenantry admin recover EMAIL" in refused.stderr
        assert "there is no user bob@example.com" in (await tenantry("admin", "recover", "bob@example.com")).stderr
        made = await tenantry("admin", "recover", "ADA@example.com", EXTERNAL_URL="https://tenantry.example/base")
        path = re.findall(r"^https://tenantry.example/base(/password/reset/tnl_\S+)\n$", made.stdout)[0]
        await browser.submit(await browser.get(path), password=NEW, repeated=NEW)
        assert (await log_in(browser, EMAIL, NEW)).status == 303
    assert await actions(server) == [
        "setup-link.create", "user.set-up", "recovery-link.create", "password.reset"
    ]  # fmt: skip
