"""The pages for people in a real browser: at phone and desktop width, in both colour schemes, by keyboard."""

from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tenantry.services.local_admin import ACTOR
from tests.support.chromium import LOOKS, fits, picture, window
from tests.support.server import ServerInProcess

pytestmark = pytest.mark.browser

PASSWORD = "four unrelated old words"


@pytest.fixture(params=LOOKS)
def look(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """A name, and the options of a window."""
    return request.param, LOOKS[request.param]


async def see(page: Page, name: str, title: str) -> None:
    """See that it is that page, and keep a picture of it."""
    await expect(page.get_by_role("heading", level=1)).to_have_text(title)
    assert await fits(page)
    await picture(page, name)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_the_first_administrator_comes_in_and_again_by_keyboard_alone(
    server: ServerInProcess, chromium: Browser, scheme: str, host: str
) -> None:
    token = await server.services.accounts.setup_link(ACTOR)
    url = (server.base_url if scheme == "http" else server.tls_url).replace("127.0.0.1", host)
    async with window(chromium, ignore_https_errors=True) as page:
        await page.goto(f"{url}/setup/{token}")
        await expect(page.get_by_label("E-mail")).to_be_focused()
        for text in ("ada@example.com", "Ada", PASSWORD, PASSWORD):
            await page.keyboard.type(text)
            await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/account")
        await page.goto(f"{url}/logout")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/login?notice=signed-out")
        await page.keyboard.type("ada@example.com")
        await page.keyboard.press("Tab")
        await page.keyboard.type(PASSWORD)
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/account")
        answer = await page.request.get(f"{url}/v1/me")
        assert answer.status == 200, await answer.text()
        assert "keys:write" in (await answer.json())["permissions"]


async def test_how_the_pages_of_a_stranger_look(
    server: ServerInProcess, chromium: Browser, look: tuple[str, dict[str, Any]]
) -> None:
    name, options = look
    token = await server.services.accounts.setup_link(ACTOR)
    async with window(chromium, **options) as page:
        await page.goto(f"{server.base_url}/setup/{token}")
        await see(page, f"setup-{name}", "Set up Tenantry")
        await page.get_by_label("E-mail").fill("ada@example.com")
        await page.get_by_label("Password", exact=True).fill("short")
        await page.get_by_label("Password, again").fill("another")
        await page.get_by_role("button").click()
        await see(page, f"setup-wrong-{name}", "Set up Tenantry")
        await page.goto(f"{server.base_url}/login?notice=signed-out")
        await see(page, f"login-{name}", "Sign in")
        await page.get_by_label("E-mail").fill("ada@example.com")
        await page.get_by_label("Password").fill("wrong")
        await page.get_by_role("button").click()
        await expect(page.get_by_role("alert")).to_contain_text("is wrong")
        await see(page, f"login-wrong-{name}", "Sign in")
        await page.goto(f"{server.base_url}/setup/{token}x")
        await see(page, f"error-{name}", "Not found")
