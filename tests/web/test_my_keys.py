"""The page where people make API keys of their own, without any script."""

import re

import pytest
from playwright.async_api import Browser, expect

from tenantry.model.permissions import Role
from tests.support.application import Application
from tests.support.browsing import browsing, log_in
from tests.support.chromium import LOOKS, fits, picture, window
from tests.support.people import PASSWORD, add_account, add_member, seen


@pytest.mark.slow
async def test_a_person_makes_a_key_uses_it_and_takes_it_back(v1: Application) -> None:
    user = await add_account(v1.server)
    await add_member(v1.server, (await v1.tenant("acme"))["status"]["tenantID"], user, Role.VIEWER)
    async with browsing(v1.server) as ada:
        await log_in(ada, "ada@example.com", PASSWORD)
        assert "None in acme" in (await ada.get("/account")).text
        page = await ada.get("/account/keys")
        assert "You have none in acme" in page.text
        assert "resources:read" in page.text
        for absent in ("keys:write", "platform:read"):  # which a viewer has not, or nobody in a tenant
            assert absent not in page.text
        chosen = {"name": "backup", "lifetime": "604800", "scope:resources:read": "on"}
        made = await ada.post("/account/keys", {**page.forms[0][1], **chosen})
        token = re.findall(r"tnk_\w+", made.text)[0]
        await seen(v1.server)
        me = (await v1.get("/v1/me", Authorization=f"Bearer {token}")).body
        assert (me["user"]["id"], me["tenant"]["name"], me["scopes"]) == (user.id, "acme", ["resources:read"])
        page = await ada.get("/account/keys")
        assert "backup" in page.text
        assert token not in page.html
        assert (await ada.submit(page, len(page.forms) - 1, name="x", lifetime="1")).status == 422
        gone = await ada.submit(page)
        assert "It is taken back" in (await ada.follow(gone)).text
        assert "You have none" in (await ada.get("/account/keys")).text
        await seen(v1.server)
        assert (await v1.get("/v1/me", Authorization=f"Bearer {token}")).status == 401


async def test_what_is_wrong_with_a_key_is_said_beside_its_field(v1: Application) -> None:
    user = await add_account(v1.server)
    await add_member(v1.server, (await v1.tenant("acme"))["status"]["tenantID"], user, Role.VIEWER)
    async with browsing(v1.server) as ada:
        assert (await ada.get("/account/keys")).location.startswith("/login")
        await log_in(ada, "ada@example.com", PASSWORD)
        page = await ada.get("/account/keys")
        wrong = await ada.submit(page, name="", lifetime="0")
        assert wrong.status == 422
        for told in ("Must be 1 to 100 printable characters", "Choose at least one"):
            assert told in wrong.text
        unknown = {"name": "x", "lifetime": "soon", "scope:resources:read": "on"}
        wrong = await ada.post("/account/keys", {**page.forms[0][1], **unknown})
        assert (wrong.status, "Is none of these" in wrong.text) == (422, True)
        beyond = {"name": "x", "lifetime": "0", "scope:keys:write": "on"}
        assert (await ada.post("/account/keys", {**page.forms[0][1], **beyond})).status == 403
        assert (await ada.post("/account/keys/revoke", {**page.forms[0][1], "key": "nope"})).status == 404
        assert "You have none" in (await ada.get("/account/keys")).text


async def test_a_suspended_tenant_is_why_no_key_can_be_made(v1: Application) -> None:
    user = await add_account(v1.server)
    await add_member(v1.server, (await v1.tenant("acme"))["status"]["tenantID"], user, Role.OWNER)
    await v1.patch("tenants/acme", {"spec": {"state": "Suspended", "suspension": {"reason": "unpaid bill"}}})
    await seen(v1.server)
    async with browsing(v1.server) as ada:
        await log_in(ada, "ada@example.com", PASSWORD)
        page = await ada.get("/account/keys")
        assert "acme is suspended: unpaid bill. There is nothing here" in page.text


@pytest.mark.browser
@pytest.mark.parametrize("look", LOOKS)
async def test_how_the_pages_of_keys_look_and_work(v1: Application, chromium: Browser, look: str) -> None:
    user = await add_account(v1.server)
    await add_member(v1.server, (await v1.tenant("acme"))["status"]["tenantID"], user, Role.OWNER)
    async with window(chromium, **LOOKS[look]) as page:

        async def see(name: str, title: str) -> None:
            await expect(page.get_by_role("heading", level=1)).to_have_text(title)
            assert await fits(page)
            await picture(page, f"{name}-{look}")

        await page.goto(f"{v1.server.base_url}/login?return_to=/account")
        await page.get_by_label("E-mail").fill("ada@example.com")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("link", name="See your API keys").click()
        await page.get_by_label("Name", exact=True).fill("backup")
        await page.get_by_role("button", name="Make it").click()
        await expect(page.get_by_text("Choose at least one.")).to_be_visible()
        await see("keys-wrong", "Your API keys")
        await page.get_by_label("resources:read").check()
        await page.get_by_label("How long it works").select_option("A year")
        await page.get_by_role("button", name="Make it").click()
        await see("key-new", "Your new API key")
        await page.get_by_role("link", name="I have kept it").click()
        await see("keys", "Your API keys")
        await page.get_by_role("button", name="Take back backup").click()
        await expect(page.get_by_role("status")).to_contain_text("It is taken back")
