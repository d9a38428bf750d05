"""Sign-up and the tenants of an account in a real browser: at phone and desktop width, in both colour schemes."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, expect

from tenantry.model.permissions import Role
from tests.support.application import Application
from tests.support.chromium import LOOKS, fits, picture, window
from tests.support.mailbox import Mailbox, mailbox, until
from tests.support.people import PASSWORD, add_account, add_member, seen
from tests.support.server import ServerInProcess, running_server

pytestmark = pytest.mark.browser


async def see(page: Page, name: str, title: str) -> None:
    """See that it is that page, and keep a picture of it."""
    await expect(page.get_by_role("heading", level=1)).to_have_text(title)
    assert await fits(page)
    await picture(page, name)


async def link(server: ServerInProcess, box: Mailbox, count: int, path: str) -> str:
    """The address below `path` in the last of so many mails, as the browser names the server."""
    await until(lambda: len(box.mails) >= count)
    return server.base_url + str(re.findall(rf"({path}\S+)", str(box.mails[-1].get_content()))[0])


async def sign_in(page: Page, server: ServerInProcess) -> None:
    await page.goto(f"{server.base_url}/login")
    await page.get_by_label("E-mail").fill("ada@example.com")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/account")


@pytest.mark.parametrize("look", LOOKS)
async def test_a_stranger_makes_an_account_and_a_tenant(tmp_path: Path, chromium: Browser, look: str) -> None:
    with mailbox(tmp_path) as box:
        async with (
            running_server(tmp_path, sign_up="Open", **box.settings) as server,
            server.session() as session,
            window(chromium, **LOOKS[look]) as page,
        ):
            await Application(session, server).plan()
            await page.goto(f"{server.base_url}/login")
            await page.get_by_role("link", name="Make one").click()
            await see(page, f"sign-up-{look}", "Make an account")
            await expect(page.get_by_label("E-mail")).to_be_focused()
            await page.keyboard.type("ada@example.com")
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("status")).to_contain_text("on its way")
            await see(page, f"sign-up-asked-{look}", "Make an account")
            await page.goto(await link(server, box, 1, "/sign-up/"))
            await see(page, f"register-{look}", "Make your account")
            await page.get_by_label("Name").fill("Ada Lovelace")
            await page.get_by_label("Password", exact=True).fill(PASSWORD)
            await page.get_by_label("Password, again").fill(PASSWORD)
            await page.get_by_role("main").get_by_role("button").click()
            await page.wait_for_url("**/account/tenants/new")
            await see(page, f"new-tenant-{look}", "Make a tenant")
            await page.get_by_label("What it is called").fill("Analytical Engines")
            await page.get_by_label("Name", exact=True).fill("Not a name")
            await page.get_by_role("main").get_by_role("button").click()
            await expect(page.get_by_label("Name", exact=True)).to_be_focused()
            await expect(page.get_by_text("with a letter first")).to_be_visible()
            await see(page, f"new-tenant-wrong-{look}", "Make a tenant")
            await page.get_by_label("Name", exact=True).fill("engines")
            await page.get_by_role("main").get_by_role("button").click()
            await expect(page.get_by_role("status")).to_contain_text("Your tenant is made")
            await expect(page.get_by_role("listitem").filter(has_text="engines (this one)")).to_be_visible()
            await see(page, f"account-owner-{look}", "Your account")
            await seen(server)
            me = await (await page.request.get(f"{server.base_url}/v1/me")).json()
            assert (me["tenant"]["name"], me["tenant"]["role"], me["user"]["emailVerified"]) == (
                "engines", "owner", True,
            )  # fmt: skip


@pytest.mark.parametrize("look", LOOKS)
async def test_who_is_in_a_suspended_tenant_goes_to_another(tmp_path: Path, chromium: Browser, look: str) -> None:
    with mailbox(tmp_path) as box:
        async with (
            running_server(tmp_path, **box.settings) as server,
            server.session() as session,
            window(chromium, **LOOKS[look]) as page,
        ):
            v1 = Application(session, server)
            user = await add_account(server, email_verified=False)
            acme = (await v1.tenant("acme"))["status"]["tenantID"]
            await add_member(server, acme, user, Role.OWNER)
            await sign_in(page, server)
            beta = (await v1.tenant("beta"))["status"]["tenantID"]
            await add_member(server, beta, user, Role.VIEWER)
            suspended = {"state": "Suspended", "suspension": {"reason": "the bill of June is not paid"}}
            await v1.patch("tenants/acme", {"spec": suspended})
            await seen(server)
            await page.reload()
            await expect(page.get_by_role("alert")).to_contain_text("acme is suspended: the bill of June is not paid")
            await see(page, f"account-suspended-{look}", "Your account")
            me = await page.request.get(f"{server.base_url}/v1/me")
            assert (me.status, (await me.json())["tenant"]["state"]) == (200, "Suspended")
            await page.get_by_role("button", name="Switch to beta").click()
            await expect(page.get_by_role("listitem").filter(has_text="beta (this one)")).to_be_visible()
            await expect(page.get_by_role("alert")).to_have_count(0)
            await seen(server)
            me = await page.request.get(f"{server.base_url}/v1/me")
            assert (await me.json())["tenant"]["name"] == "beta"
            await page.get_by_role("button", name="Mail me a link").click()
            await expect(page.get_by_role("status")).to_contain_text("on its way")
            await page.goto(await link(server, box, 1, "/account/email/"))
            await see(page, f"prove-email-{look}", "Is this your address?")
            await page.get_by_role("main").get_by_role("button").click()
            await expect(page.get_by_role("status")).to_contain_text("the address is yours")
            await see(page, f"account-proved-{look}", "Your account")


@pytest.mark.parametrize("policy", ["InviteOnly", "Closed"])
async def test_the_page_says_that_sign_up_is_not_open(tmp_path: Path, chromium: Browser, policy: str) -> None:
    async with (
        running_server(tmp_path, sign_up=policy) as server,
        window(chromium, **LOOKS["phone-light"]) as page,
    ):
        await page.goto(f"{server.base_url}/sign-up")
        await see(page, f"sign-up-{policy}", "Make an account")
        await expect(page.get_by_role("status")).to_be_visible()
        await add_account(server)
        await sign_in(page, server)
        await expect(page.get_by_role("link", name="Make a tenant")).to_have_count(0)
        await page.goto(f"{server.base_url}/account/tenants/new")
        await see(page, f"new-tenant-{policy}", "Make a tenant")
        await expect(page.get_by_role("status")).to_contain_text("not open to you")


async def test_a_link_that_was_shown_leads_to_an_account_first(tmp_path: Path, chromium: Browser) -> None:
    with mailbox(tmp_path) as box:
        async with (
            running_server(tmp_path, **box.settings) as server,
            server.session() as session,
            window(chromium, **LOOKS["phone-dark"]) as page,
        ):
            v1 = Application(session, server)
            await v1.tenant("acme")
            wanted = {"email": "ada@example.com", "role": "admin", "mail": False}
            made = await v1.post("/v1/tenants/acme/invites", wanted)
            await page.goto(server.base_url + urlsplit(made.body["link"]).path)
            await see(page, "invite-shown", "Join acme")
            await page.get_by_role("link", name="Make an account").click()
            await page.get_by_label("E-mail").fill("ada@home.example")
            await page.get_by_role("main").get_by_role("button").click()
            await page.goto(await link(server, box, 1, "/sign-up/"))
            await page.get_by_label("Password", exact=True).fill(PASSWORD)
            await page.get_by_label("Password, again").fill(PASSWORD)
            await page.get_by_role("main").get_by_role("button").click()
            await page.get_by_role("button", name="Join as ada@home.example").click()
            await page.wait_for_url("**/account")
