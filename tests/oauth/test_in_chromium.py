"""The pages that clients send people to, in a real browser: how they look, and that it goes on to the client."""

from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Page, expect

from tenantry.model.oauth import CLI
from tenantry.services.local_admin import ACTOR
from tests.support.chromium import LOOKS, fits, picture, window
from tests.support.oauth import add_client
from tests.support.oauth_http import CHALLENGE
from tests.support.server import ServerInProcess

pytestmark = pytest.mark.browser

PASSWORD = "four unrelated old words"


async def see(page: Page, name: str, title: str) -> None:
    """See that it is that page, and keep a picture of it."""
    await expect(page.get_by_role("heading", level=1)).to_have_text(title)
    assert await fits(page)
    await picture(page, name)


async def welcome(request: web.Request) -> web.Response:
    return web.Response(text=f"welcome {sorted(request.query)}")


@pytest.mark.parametrize("look", LOOKS)
async def test_a_person_consents_connects_a_device_and_is_signed_out(
    server: ServerInProcess, chromium: Browser, look: str
) -> None:
    application = web.Application()
    application.router.add_get("/callback", welcome)
    options: dict[str, Any] = LOOKS[look]
    async with TestServer(application) as client_site, window(chromium, **options) as page:
        callback = f"http://127.0.0.1:{client_site.port}/callback"
        client, _ = await add_client(server, name="Example Reports", redirect_uris=("http://127.0.0.1/callback",))
        await page.goto(f"{server.base_url}/setup/{await server.services.accounts.setup_link(ACTOR)}")
        await page.get_by_label("E-mail").fill("ada@example.com")
        await page.get_by_label("Name").fill("Ada")
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_label("Password, again").fill(PASSWORD)
        await page.get_by_role("button").click()
        await page.wait_for_url("**/account")
        parameters = {
            "client_id": client.id,
            "redirect_uri": callback,
            "response_type": "code",
            "scope": "openid email resources:read",
            "state": "s",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        await page.goto(f"{server.base_url}/oauth/authorize?{urlencode(parameters)}")
        await see(page, f"consent-{look}", "Allow Example Reports?")
        await page.get_by_role("button", name="Allow", exact=True).click()
        await page.wait_for_url(f"{callback}?*")
        await expect(page.get_by_text("welcome ['code', 'iss', 'state']")).to_be_visible()

        async with server.session(anonymous=True) as http:
            form = {"client_id": CLI.id, "scope": "openid resources:read"}
            async with http.post("/oauth/device_authorization", data=form) as answer:
                user_code = (await answer.json())["user_code"]
        await page.goto(f"{server.base_url}/device")
        await see(page, f"device-{look}", "Connect a device")
        await page.get_by_label("Code").fill("BCDF-GHJK")
        await page.get_by_role("button").click()
        await expect(page.get_by_role("alert")).to_contain_text("no such code")
        await page.get_by_label("Code").fill(user_code.lower())
        await page.keyboard.press("Enter")
        await see(page, f"device-confirm-{look}", f"Connect {CLI.name}?")
        await page.get_by_role("button", name="Connect", exact=True).click()
        await see(page, f"device-done-{look}", "Connected")

        await page.goto(f"{server.base_url}/oauth/logout")
        await see(page, f"oauth-logout-{look}", "Sign out?")
        await page.get_by_role("button").click()
        await page.wait_for_url("**/login?notice=signed-out")
