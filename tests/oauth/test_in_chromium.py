"""The pages that clients send people to, in a real browser: how they look, and that it goes on to the client."""

import time
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Page, expect

from tenantry.model import totp
from tenantry.model.oauth import CLI, ClientKind, OAuthClient
from tenantry.services.machines.local_admin import ACTOR
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


async def set_up(server: ServerInProcess, page: Page) -> None:
    """Let Ada be the first administrator, and sign in."""
    await page.goto(f"{server.base_url}/setup/{await server.services.accounts.setup_link(ACTOR)}")
    await page.get_by_label("E-mail").fill("ada@example.com")
    await page.get_by_label("Name").fill("Ada")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_label("Password, again").fill(PASSWORD)
    await page.get_by_role("main").get_by_role("button").click()
    await page.wait_for_url("**/account")


def request_of(client_id: str, callback: str, scope: str) -> dict[str, str]:
    """What a client asks the authorization endpoint."""
    return {
        "client_id": client_id,
        "redirect_uri": callback,
        "response_type": "code",
        "scope": scope,
        "state": "s",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }


async def add_app(server: ServerInProcess) -> OAuthClient:
    """An app on somebody's device that is answered on loopback."""
    redirect, scopes = ("http://127.0.0.1/callback",), ("openid", "offline_access", "resources:read")
    client, _ = await add_client(
        server, name="Field Notes", kind=ClientKind.PUBLIC, redirect_uris=redirect, scopes=scopes
    )
    return client


async def take_back(page: Page, look: str) -> None:
    """See what was allowed, from the account's page on, and take it all back."""
    await see(page, f"account-grants-{look}", "Your account")
    await page.get_by_role("link", name="See what may act for you").click()
    await see(page, f"grants-{look}", "What may act for you")
    entry = page.get_by_role("main").get_by_role("listitem").filter(has=page.get_by_role("button"))
    await expect(entry).to_have_count(2)  # the command line by both ways, and the application
    await expect(entry.filter(has_text="Example Reports")).to_contain_text("No access now")
    await page.get_by_text("What it may do: Example Reports").click()
    await expect(entry.filter(has_text="Example Reports").get_by_text("See your e-mail address")).to_be_visible()
    await see(page, f"grants-opened-{look}", "What may act for you")
    await page.get_by_role("button", name="Take back from Example Reports").click()
    await expect(page.get_by_role("status")).to_contain_text("nothing of yours any more")
    await page.get_by_role("button", name=f"Take back from {CLI.name}").click()
    await expect(page.get_by_text("you have allowed no application anything")).to_be_visible()
    await see(page, f"grants-none-{look}", "What may act for you")


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
        await set_up(server, page)
        parameters = request_of(client.id, callback, "openid email resources:read")
        await page.goto(f"{server.base_url}/oauth/authorize?{urlencode(parameters)}")
        await see(page, f"consent-{look}", "Allow Example Reports?")
        await page.get_by_role("button", name="Allow", exact=True).click()
        await page.wait_for_url(f"{callback}?*")
        await expect(page.get_by_text("welcome ['code', 'iss', 'state']")).to_be_visible()

        for each, title in ((await add_app(server), "Allow Field Notes?"), (CLI, "Sign in to the command line?")):
            asked = request_of(each.id, callback, " ".join(each.scopes))
            await page.goto(f"{server.base_url}/oauth/authorize?{urlencode(asked)}")
            await see(page, f"consent-{each.name.split()[0].lower()}-{look}", title)
        await page.get_by_text("What it may then do").click()
        await expect(page.get_by_text("Know who you are")).to_be_visible()
        await see(page, f"consent-opened-{look}", "Sign in to the command line?")
        await page.get_by_role("button", name="Allow", exact=True).click()
        await page.wait_for_url(f"{callback}?*")

        async with server.session(anonymous=True) as http:
            form = {"client_id": CLI.id, "scope": "openid email"}
            async with http.post("/oauth/device_authorization", data=form) as answer:
                user_code = (await answer.json())["user_code"]
        await page.goto(f"{server.base_url}/device")
        await see(page, f"device-{look}", "Connect a device")
        await page.get_by_label("Code").fill("BCDF-GHJK")
        await page.get_by_role("main").get_by_role("button").click()
        await expect(page.get_by_role("alert")).to_contain_text("no such code")
        await page.get_by_label("Code").fill(user_code.lower())
        await page.keyboard.press("Enter")
        await see(page, f"device-confirm-{look}", f"Connect {CLI.name}?")
        await page.get_by_role("button", name="Connect", exact=True).click()
        await see(page, f"device-done-{look}", "Connected")

        await page.goto(f"{server.base_url}/account")
        await take_back(page, look)

        await page.goto(f"{server.base_url}/oauth/logout")
        await see(page, f"oauth-logout-{look}", "Sign out?")
        await page.get_by_role("main").get_by_role("button").click()
        await page.wait_for_url("**/login?notice=signed-out")


@pytest.mark.parametrize("way", ["password", "second factor"])
async def test_who_signs_in_for_a_client_of_ours_comes_to_it(
    server: ServerInProcess, chromium: Browser, way: str
) -> None:
    """Nobody asks for consent, and Chromium lets no form lead to another site by redirects."""
    application = web.Application()
    application.router.add_get("/callback", welcome)
    async with TestServer(application) as client_site, window(chromium) as page:
        callback = f"http://localhost:{client_site.port}/callback"
        client, _ = await add_client(server, first_party=True, redirect_uris=(callback,))
        await set_up(server, page)
        codes = await turn_on_factor(page, server) if way == "second factor" else []
        await page.context.clear_cookies()
        parameters = request_of(client.id, callback, "openid email resources:read")
        await page.goto(f"{server.base_url}/oauth/authorize?{urlencode(parameters)}")
        await page.get_by_label("E-mail").fill("ada@example.com")
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.keyboard.press("Enter")
        if codes:
            await page.get_by_role("textbox", name="Code").fill(codes[0])
            await page.keyboard.press("Enter")
        await expect(page.get_by_text("welcome ['code', 'iss', 'state']")).to_be_visible()


async def turn_on_factor(page: Page, server: ServerInProcess) -> list[str]:
    """Turn the second factor on: the recovery codes."""
    await page.goto(f"{server.base_url}/account/mfa")
    await page.get_by_label("Your password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    secret = await page.get_by_role("code").inner_text()
    code = totp.code_of(secret, int(time.time()) // totp.STEP_SECONDS)
    await page.get_by_role("textbox", name="Code").fill(code)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your recovery codes")
    return await page.get_by_role("code").all_inner_texts()


async def test_a_form_of_another_site_asks_for_consent(server: ServerInProcess, chromium: Browser) -> None:
    """The POST of another site comes without the session's cookie; the GET that it is sent on to has it."""
    page_of_client = ""

    async def begin(request: web.Request) -> web.Response:
        del request
        return web.Response(text=page_of_client, content_type="text/html")

    application = web.Application()
    application.router.add_get("/", begin)
    application.router.add_get("/callback", welcome)
    async with TestServer(application) as client_site, window(chromium) as page:
        site = f"http://localhost:{client_site.port}"  # the server is at 127.0.0.1: another site, and not only a port
        client, _ = await add_client(server, name="Example Reports", redirect_uris=(f"{site}/callback",))
        fields = request_of(client.id, f"{site}/callback", "openid email").items()
        inputs = "".join(f'<input type="hidden" name="{name}" value="{value}">' for name, value in fields)
        page_of_client = (
            f'<form method="post" action="{server.base_url}/oauth/authorize">{inputs}<button>Sign in</button></form>'
        )
        await set_up(server, page)
        await page.goto(site)
        await page.get_by_role("button", name="Sign in").click()
        await see(page, "consent-by-form", "Allow Example Reports?")
        await expect(page.get_by_text("ada@example.com")).to_be_visible()
        await page.get_by_role("button", name="Allow", exact=True).click()
        await page.wait_for_url(f"{site}/callback?*")
        await expect(page.get_by_text("welcome ['code', 'iss', 'state']")).to_be_visible()


async def test_who_is_signed_in_can_sign_out_from_every_page(server: ServerInProcess, chromium: Browser) -> None:
    client, _ = await add_client(server, redirect_uris=("http://127.0.0.1/callback",))
    asked = urlencode(request_of(client.id, "http://127.0.0.1/callback", "openid"))
    async with window(chromium) as page:
        await set_up(server, page)
        for path in (
            "/account",
            "/account/password",
            "/account/mfa",
            "/account/grants",
            "/device",
            "/oauth/consent",  # an error
            f"/oauth/authorize?{asked}",
        ):
            await page.goto(server.base_url + path)
            await expect(page.get_by_role("banner").get_by_role("button", name="Sign out")).to_be_visible()
        await page.get_by_role("button", name="Sign out").click()
        await page.wait_for_url("**/login?notice=signed-out")
        await expect(page.get_by_role("button", name="Sign out")).to_have_count(0)
        await page.goto(f"{server.base_url}/account")
        await page.wait_for_url("**/login?*")
