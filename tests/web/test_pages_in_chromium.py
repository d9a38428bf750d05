"""The pages for people in a real browser: at phone and desktop width, in both colour schemes, by keyboard."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Browser, Page, expect

from tenantry.model import totp
from tenantry.model.permissions import Permission
from tenantry.services.machines.local_admin import ACTOR
from tenantry.services.throttle import PASSWORDS
from tenantry.web.app import ROUTES
from tenantry.web.routes import Cookie, Route
from tests.support.chromium import LOOKS, fits, picture, window
from tests.support.mailbox import mailbox, until
from tests.support.people import PASSWORD, add_account
from tests.support.server import ServerInProcess, running_server

pytestmark = pytest.mark.browser


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
        await expect(page.get_by_role("button", name="Sign out")).to_be_focused()
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/login?notice=signed-out")
        await expect(page.get_by_label("E-mail")).to_be_focused()  # a busy machine focuses late
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


async def _fail(_: web.Request) -> web.Response:
    raise RuntimeError


@pytest.mark.usefixtures("limits_clock")  # a second that passes lets one more request in
async def test_how_what_goes_wrong_looks(tmp_path: Path, chromium: Browser, look: tuple[str, dict[str, Any]]) -> None:
    name, options = look
    routes = [*ROUTES, Route("GET", "/fail", _fail, needs=Permission.PUBLIC, session=Cookie.FORM)]
    async with running_server(tmp_path, routes, rate_limit_anonymous=1) as server:
        page = await chromium.new_page(**options)  # which may complain of an answer with 500
        await page.goto(f"{server.base_url}/fail")
        await see(page, f"error-500-{name}", "Internal error")
        await expect(page.get_by_role("alert")).to_contain_text("Something went wrong here")
        await page.close()
        async with window(chromium, **options) as page:
            await page.goto(f"{server.base_url}/nowhere")
            await see(page, f"error-404-{name}", "Not found")
            await expect(page.get_by_role("alert")).to_contain_text("There is no such page")
            for _ in range(10):
                await page.request.get(f"{server.base_url}/login")
            await page.goto(f"{server.base_url}/login")
            await see(page, f"error-429-{name}", "Too many requests")
            await expect(page.get_by_role("link", name="To the sign-in")).to_be_visible()


async def test_the_docs_fit_and_link_to_the_sign_in(
    server: ServerInProcess, chromium: Browser, look: tuple[str, dict[str, Any]]
) -> None:
    name, options = look
    async with window(chromium, **options) as page:
        await page.goto(f"{server.base_url}/docs")
        await see(page, f"docs-{name}", "The application API")
        await page.get_by_role("link", name="Sign in").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


async def test_who_must_have_a_second_factor_is_led_to_it_and_on(
    tmp_path: Path, chromium: Browser, look: tuple[str, dict[str, Any]]
) -> None:
    name, options = look
    async with running_server(tmp_path, second_factor="Everybody") as server, window(chromium, **options) as page:
        await add_account(server)
        await page.goto(f"{server.base_url}/account/keys")
        await page.get_by_label("E-mail").fill("ada@example.com")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("status")).to_contain_text("Turn it on to go on")
        await see(page, f"factor-required-{name}", "Two-step sign-in")
        await page.get_by_label("Your password").fill(PASSWORD)
        await page.get_by_role("button", name="Go on").click()
        (secret,) = re.findall(r"<code>([A-Z2-7]{32})</code>", await page.content())
        code = totp.code_of(secret, int(time.time()) // totp.STEP_SECONDS)
        await page.get_by_role("textbox", name="Code").fill(code)
        await page.get_by_role("button", name="Turn it on").click()
        await see(page, f"codes-required-{name}", "Your recovery codes")
        await page.get_by_role("link", name="I have kept them").click()
        await see(page, f"keys-required-{name}", "Your API keys")


async def test_how_the_pages_of_an_account_look_and_work(
    server: ServerInProcess, chromium: Browser, look: tuple[str, dict[str, Any]]
) -> None:
    name, options = look
    await add_account(server, name="Ada " + "Lovelace" * 12)  # as long as a name may be
    url = server.base_url
    async with window(chromium, **options) as page:

        async def press(button: str) -> None:
            await page.get_by_role("button", name=button).click()

        async def sign_in() -> None:
            await page.goto(f"{url}/login")
            await page.get_by_label("E-mail").fill("ada@example.com")
            await page.get_by_label("Password").fill(PASSWORD)
            await press("Sign in")

        await sign_in()
        await see(page, f"account-{name}", "Your account")
        await page.get_by_role("link", name="Change your password").click()
        await page.get_by_label("Your password now").fill("wrong")
        await page.get_by_label("New password", exact=True).fill(PASSWORD)
        await page.get_by_label("New password, again").fill(PASSWORD)
        await press("Change it")
        await see(page, f"password-wrong-{name}", "Change your password")
        await page.get_by_role("link", name="Back").click()

        await page.get_by_role("link", name="Turn on two-step sign-in").click()
        await see(page, f"factor-off-{name}", "Two-step sign-in")
        await page.get_by_label("Your password").fill(PASSWORD)
        await press("Go on")
        await expect(page.get_by_role("img", name="QR code")).to_be_visible()
        await see(page, f"factor-pending-{name}", "Two-step sign-in")
        secret = await page.get_by_role("code").inner_text()
        await page.get_by_role("textbox", name="Code").fill(totp.code_of(secret, int(time.time()) // totp.STEP_SECONDS))
        await press("Turn it on")
        await see(page, f"recovery-codes-{name}", "Your recovery codes")
        codes = await page.get_by_role("code").all_inner_texts()
        await page.get_by_role("link", name="I have kept them").click()
        await page.get_by_role("link", name="Change two-step sign-in").click()
        await see(page, f"factor-on-{name}", "Two-step sign-in")

        await page.goto(f"{url}/logout")
        await see(page, f"logout-{name}", "Sign out")
        await press("Sign out")
        await sign_in()
        await expect(page.get_by_role("textbox", name="Code")).to_be_focused()
        await page.keyboard.type("123456")
        await page.keyboard.press("Enter")
        await see(page, f"code-wrong-{name}", "Enter your code")
        await expect(page.get_by_role("textbox", name="Code")).to_be_focused()
        await page.keyboard.type(codes[0])
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("9 recovery codes left")).to_be_visible()
        await press("Sign out")
        await expect(page.get_by_role("status")).to_contain_text("signed out")


async def test_how_the_pages_for_a_forgotten_password_look(
    tmp_path: Path, chromium: Browser, look: tuple[str, dict[str, Any]]
) -> None:
    name, options = look
    with mailbox(tmp_path) as box:
        async with running_server(tmp_path, **box.settings) as server, window(chromium, **options) as page:
            await add_account(server)
            await page.goto(f"{server.base_url}/login")
            await page.get_by_role("link", name="Forgotten").click()
            await see(page, f"forgot-{name}", "Forgotten your password?")
            await expect(page.get_by_label("E-mail")).to_be_focused()
            await page.keyboard.type("ada@example.com")
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("status")).to_contain_text("on its way")
            await see(page, f"forgot-asked-{name}", "Forgotten your password?")
            await until(lambda: box.mails)
            path = re.findall(r"/password/reset/\S+", str(box.mails[0].get_content()))[0]
            await page.goto(server.base_url + path)
            await see(page, f"reset-{name}", "Set a new password")
            await page.get_by_label("New password", exact=True).fill(PASSWORD)
            await page.get_by_label("New password, again").fill(PASSWORD)
            await page.get_by_role("button").click()
            await expect(page.get_by_role("status")).to_contain_text("Sign in with it")


async def test_a_page_for_who_asks_too_often(server: ServerInProcess, chromium: Browser) -> None:
    async with window(chromium) as page:
        for _ in range(PASSWORDS.attempts + 1):
            await page.goto(f"{server.base_url}/login")
            await expect(page.get_by_label("E-mail")).to_be_focused()
            await page.keyboard.type("nobody@example.com")
            await page.keyboard.press("Tab")
            await page.keyboard.type("wrong")
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("alert")).to_be_visible()
        await see(page, "too-many", "Too many requests")
        await expect(page.get_by_role("alert")).to_contain_text("try again in 15 minutes")
        await page.goto(f"{server.base_url}/logout")
        await see(page, "logout-stranger", "Sign out")


async def test_a_server_without_mail_says_what_to_do(server: ServerInProcess, chromium: Browser) -> None:
    async with window(chromium, **LOOKS["phone-light"]) as page:
        await page.goto(f"{server.base_url}/password/forgot")
        await see(page, "forgot-no-mail", "Forgotten your password?")
        await expect(page.get_by_text("tenantry admin recover")).to_be_visible()
