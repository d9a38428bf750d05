"""What every answer says to browsers: that it is data of somebody, and nothing to guess, show or keep."""

import re
from pathlib import Path
from urllib.parse import urljoin
from xml.etree import ElementTree as ET

import pytest

from tenantry.web.authentication import SESSION_COOKIE
from tests.support.application import KUBERNETES, Application
from tests.support.browsing import browsing
from tests.support.people import add_session, add_user
from tests.support.server import ServerInProcess, running_server

PATHS = [
    "/v1/me",
    "/v1/tenants",
    "/v1/nothing",
    f"{KUBERNETES}/tenants",
    "/apis",
    "/openapi.json",
    "/docs",
    "/login",
    "/",
]


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS)
async def test_a_browser_guesses_frames_and_shares_nothing(v1: Application, path: str) -> None:
    headers = (await v1.get(path)).headers if path not in {"/docs", "/login"} else await page(v1, path)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "public" not in headers["Cache-Control"]
    assert "Strict-Transport-Security" not in headers  # other programs of this machine have the same host


async def page(v1: Application, path: str) -> "dict[str, str]":
    async with v1.session.get(path) as answer:
        return dict(answer.headers)


@pytest.mark.parametrize(("url", "said"), [("https://t.example.com", True), ("https://localhost:1", False)])
async def test_who_is_reached_by_tls_alone_says_so(tmp_path: Path, url: str, said: bool) -> None:  # noqa: FBT001
    async with running_server(tmp_path, external_url=url) as server:
        assert await strict(server) is said


async def strict(server: ServerInProcess) -> bool:
    async with server.session() as session, session.get("/v1/me") as answer:
        return answer.headers.get("Strict-Transport-Security") == "max-age=31536000"


async def test_what_is_of_people_is_stored_nowhere_and_objects_are_revalidated(v1: Application) -> None:
    await v1.tenant("acme")
    for path in ("/v1/me", "/v1/users", "/v1/audit", "/v1/keys", "/v1/tenants/acme/members", "/v1/webhooks"):
        answer = await v1.get(path)
        assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store"), path
        again = await v1.get(path, if_none_match=answer.etag)
        assert (again.status, again.headers["Cache-Control"]) == (304, "no-store"), path  # who asks so kept it itself
    for path in ("/v1/tenants", "/v1/tenants/acme", "/v1/tenants/acme/explain", "/v1/tenants/acme/revisions"):
        answer = await v1.get(path)
        assert (answer.status, answer.headers["Cache-Control"]) == (200, "private, no-cache"), path
        assert (await v1.get(path, if_none_match=answer.etag)).status == 304, path
    made = await v1.post("/v1/keys", {"name": "k", "scopes": ["platform:read"]})
    assert (made.status, made.headers["Cache-Control"]) == (201, "no-store")


async def test_who_signs_out_leaves_nothing_in_the_browser(v1: Application) -> None:
    user = await add_user(v1.server)
    async with browsing(v1.server) as browser:
        browser.cookies[SESSION_COOKIE] = await add_session(v1.server, user)
        done = await browser.submit(await browser.get("/logout"))
        assert (done.status, done.headers["Clear-Site-Data"]) == (303, '"cache"')
        assert SESSION_COOKIE not in browser.cookies
        assert "Clear-Site-Data" not in (await browser.get("/login")).headers
        browser.cookies[SESSION_COOKIE] = await add_session(v1.server, user)
        asked = await browser.get("/oauth/logout")
        assert (await browser.submit(asked)).headers["Clear-Site-Data"] == '"cache"'


@pytest.mark.parametrize("path", ["/login", "/docs"])
async def test_a_browser_finds_the_icon_of_a_page(v1: Application, path: str) -> None:
    """It asks for one, and the policy lets it be shown."""
    async with v1.session.get(path) as answer:
        assert "img-src 'self'" in answer.headers["Content-Security-Policy"]
        (icon,) = re.findall(r'rel="icon" type="image/svg\+xml" href="([^"]+)"', await answer.text())
    async with v1.session.get(urljoin(path, icon)) as answer:
        assert (answer.status, answer.content_type) == (200, "image/svg+xml")
        assert ET.fromstring(await answer.text()).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - ours
