"""The page of an invite in a real browser: at phone and desktop width, in both colour schemes, by keyboard."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, expect

from tests.support.application import Application
from tests.support.chromium import LOOKS, fits, picture, window

pytestmark = pytest.mark.browser

INVITES = "/v1/tenants/acme/invites"
PASSWORD = "four unrelated old words"


@pytest.mark.parametrize("look", LOOKS)
async def test_a_stranger_joins_and_a_member_of_another_tenant_does_too(
    v1: Application, chromium: Browser, look: str
) -> None:
    options: dict[str, Any] = LOOKS[look]
    links = []
    for tenant in ("acme", "beta"):
        await v1.tenant(tenant)
        wanted = {"email": "ada@example.com", "role": "admin"}
        made = await v1.post(f"/v1/tenants/{tenant}/invites", wanted)
        links.append(v1.server.base_url + urlsplit(made.body["link"]).path)
    async with window(chromium, **options) as page:
        await page.goto(links[0])
        await expect(page.get_by_role("heading", level=1)).to_have_text("Join acme")
        assert await fits(page)
        await picture(page, f"invite-stranger-{look}")
        await page.get_by_label("Name").focus()
        for text in ("Ada", PASSWORD, "another old word"):
            await page.keyboard.type(text)
            await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.get_by_label("Password, again")).to_be_focused()
        assert await fits(page)
        await picture(page, f"invite-wrong-{look}")
        for label in ("Password", "Password, again"):
            await page.get_by_label(label, exact=True).fill(PASSWORD)
        await page.get_by_role("main").get_by_role("button").click()
        await page.wait_for_url("**/account")
        await page.goto(links[1])
        await expect(page.get_by_text("You are signed in as ada@example.com")).to_be_visible()
        assert await fits(page)
        await picture(page, f"invite-member-{look}")
        await page.get_by_role("main").get_by_role("button").click()
        await page.wait_for_url("**/account")
        me = await (await page.request.get(f"{v1.server.base_url}/v1/me")).json()
        assert (me["tenant"]["name"], len(me["tenants"])) == ("beta", 2)
