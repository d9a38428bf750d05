"""Chromium for tests: Debian's, without a screen, driven by Playwright; the fixture `chromium` skips without it."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright

from tests.cluster.cache import UnavailableError
from tests.cluster.packages import ensure_packages

PROGRAM = "/usr/bin/chromium"
#: it calls nobody: not its maker for updates, nor the screen
OPTIONS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
#: a phone and a desk, in both colour schemes
LOOKS: dict[str, dict[str, Any]] = {
    f"{place}-{scheme}": {"viewport": {"width": width, "height": height}, "color_scheme": scheme}
    for place, width, height in (("phone", 360, 740), ("desktop", 1280, 800))
    for scheme in ("light", "dark")
}


@pytest.fixture(scope="session")
def chromium_program() -> str:
    """Where Chromium is."""
    try:
        ensure_packages("chromium", "fonts-dejavu-core")
    except UnavailableError as error:
        pytest.skip(f"no Chromium: {error}")
    return PROGRAM


@pytest.fixture
async def chromium(chromium_program: str) -> AsyncIterator[Browser]:
    """A running Chromium with an empty profile."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium_program, args=OPTIONS, chromium_sandbox=os.geteuid() != 0
        )
        yield browser
        await browser.close()


@asynccontextmanager
async def window(chromium: Browser, **look: Any) -> AsyncIterator[Page]:
    """A page in a context of its own; that nothing on it broke the content security policy is checked at the end."""
    context = await chromium.new_context(**look)
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    await context.close()
    assert [each for each in complaints if "status of 4" not in each] == []


async def fits(page: Page) -> bool:
    """Whether nothing sticks out at the side."""
    return bool(await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


async def picture(page: Page, name: str) -> None:
    """Keep a picture of the page below the folder that PICTURES names, for people to look at."""
    if folder := os.environ.get("PICTURES"):
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
