"""A browser without a screen for tests of pages: it keeps cookies, reads forms and sends them, and follows nothing."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie

import aiohttp

from tests.support.server import RunningServer


class _Reader(HTMLParser):
    """Collects the forms of a page with their hidden fields, and its text; the one that all pages have is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.location = ""  # where it leads by itself
        self.is_head = False  # with the button to sign out

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "meta" and given.get("http-equiv") == "refresh":
            self.location = given["content"].partition("url=")[2]
        elif tag == "header":
            self.is_head = True
        elif self.is_head:
            pass
        elif tag == "form":
            self.forms.append((given.get("action", ""), {}))
        elif tag == "input" and given.get("type") == "hidden":
            self.forms[-1][1][given["name"]] = given["value"]

    def handle_endtag(self, tag: str) -> None:
        if tag == "header":
            self.is_head = False

    def handle_data(self, data: str) -> None:
        self.words += data.split()


@dataclass(frozen=True, slots=True)
class Page:
    """What a browser shows."""

    path: str
    status: int
    headers: Mapping[str, str]
    html: str
    text: str
    forms: list[tuple[str, dict[str, str]]]
    location: str  # where it would go, without the server's address


@dataclass(slots=True)
class Browser:
    """One that a person has; `cookies` are those of the server."""

    session: aiohttp.ClientSession
    origin: str
    cookies: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, **headers: str) -> Page:
        """Open a page."""
        return await self._ask("GET", path, None, headers)

    async def submit(self, page: Page, form: int = 0, **fields: str) -> Page:
        """Send a form of the page, filled in."""
        action, hidden = page.forms[form]
        return await self.post(action or page.path, {**hidden, **fields})

    async def post(self, path: str, fields: dict[str, str], **headers: str) -> Page:
        """Send fields to a path."""
        return await self._ask("POST", path, fields, {"Origin": self.origin, **headers})

    async def follow(self, page: Page) -> Page:
        """Open the page that it leads to."""
        assert page.location, (page.status, page.text)
        return await self.get(page.location)

    async def _ask(self, method: str, path: str, fields: dict[str, str] | None, headers: dict[str, str]) -> Page:
        sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), **headers}
        async with self.session.request(method, path, data=fields, headers=sent, allow_redirects=False) as answer:
            html = await answer.text()
            for line in answer.headers.getall("Set-Cookie", []):
                for name, morsel in SimpleCookie(line).items():
                    assert name.startswith("__Host-")
                    assert (morsel["secure"], morsel["httponly"]) == (True, True)
                    assert (morsel["path"], morsel["samesite"], morsel["domain"]) == ("/", "Lax", "")
                    self.cookies.pop(name, None)
                    if morsel["max-age"] != "0":
                        self.cookies[name] = morsel.value
            reader = _Reader()
            reader.feed(html)
            return Page(
                path=path,
                status=answer.status,
                headers=answer.headers,
                html=html,
                text=" ".join(reader.words),
                forms=reader.forms,
                location=answer.headers.get("Location", reader.location),
            )


@asynccontextmanager
async def browsing(server: RunningServer) -> AsyncIterator[Browser]:
    """A browser that has never been here."""
    async with aiohttp.ClientSession(server.base_url, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Browser(session, server.base_url)


async def log_in(browser: Browser, email: str, password: str, path: str = "/login") -> Page:
    """What the login page says to it."""
    return await browser.submit(await browser.get(path), email=email, password=password)
