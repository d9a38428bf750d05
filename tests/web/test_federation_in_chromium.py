"""Signing in elsewhere in a real browser, and what one sees of it: at phone and desktop width, in both schemes."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.application import Application
from tests.support.chromium import LOOKS, fits, picture, window
from tests.support.people import PASSWORD, add_account, add_session, browser
from tests.support.provider import entry, running_provider
from tests.support.server import running_server

pytestmark = pytest.mark.browser


async def see(page: Page, name: str, title: str) -> None:
    """See that it is that page, and keep a picture of it."""
    await expect(page.get_by_role("heading", level=1)).to_have_text(title)
    assert await fits(page)
    await picture(page, name)


@pytest.mark.parametrize("look", LOOKS)
async def test_a_person_adds_a_provider_signs_in_with_it_and_takes_it_away(
    tmp_path: Path, chromium: Browser, look: str
) -> None:
    async with (
        running_provider() as provider,
        running_server(tmp_path, outbound_allow=("127.0.0.1",)) as server,
        server.session() as session,
        window(chromium, **LOOKS[look]) as page,
    ):
        await Application(session, server).post("/v1/identity-providers", entry(provider))
        user = await add_account(server, name="Ada Lovelace", platform_admin=True)
        async with browser(server, await add_session(server, user)) as api:
            await api.post("/v1/me/keys", {"name": "backup", "scopes": ["resources:read"]})
        await page.goto(f"{server.base_url}/login")
        await page.get_by_label("E-mail").fill("ada@example.com")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in", exact=True).click()
        await page.get_by_role("link", name="Add Example").click()
        await see(page, f"add-identity-{look}", "Add Example")
        await expect(page.get_by_label("Your password")).to_be_focused()
        await page.keyboard.type("wrong")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("Is not your password")).to_be_visible()
        await see(page, f"add-identity-wrong-{look}", "Add Example")
        await page.get_by_label("Your password").fill(PASSWORD)
        await page.get_by_role("button", name="Go on to Example").click()
        await expect(page.get_by_role("button", name="Remove Example")).to_be_visible()
        await see(page, f"account-linked-{look}", "Your account")
        await page.goto(f"{server.base_url}/logout")
        await page.get_by_role("button", name="Sign out").click()
        await see(page, f"login-provider-{look}", "Sign in")
        await page.get_by_role("button", name="Sign in with Example").click()
        await see(page, f"account-by-provider-{look}", "Your account")
        await page.get_by_role("link", name="What else lets somebody act as you?").click()
        await see(page, f"access-{look}", "Is all of this yours?")
        await expect(page.get_by_text("backup")).to_be_visible()
        await page.get_by_role("button", name="Remove all of it").click()
        await expect(page.get_by_role("status")).to_contain_text("It is all removed")
        await page.goto(f"{server.base_url}/account/access")
        await see(page, f"access-none-{look}", "Is all of this yours?")


async def test_who_has_no_script_or_patience_goes_on_by_hand(tmp_path: Path, chromium: Browser) -> None:
    async with (
        running_provider() as provider,
        running_server(tmp_path, outbound_allow=("127.0.0.1",)) as server,
        server.session() as session,
        window(chromium, **LOOKS["phone-light"]) as page,
    ):
        await Application(session, server).post("/v1/identity-providers", entry(provider))

        async def hold(route: Any) -> None:
            """Show the page that leads there, and go nowhere by itself."""
            answer = await route.fetch()
            text = (await answer.text()).replace('http-equiv="refresh"', "")
            await route.fulfill(response=answer, body=text)

        await page.route("**/login/with/idp", hold)
        await page.goto(f"{server.base_url}/login")
        await page.get_by_role("button", name="Sign in with Example").click()
        await see(page, "depart", "One moment")
        await page.get_by_role("link", name="Go on").click()
        await see(page, "not-signed-in", "Not signed in")
